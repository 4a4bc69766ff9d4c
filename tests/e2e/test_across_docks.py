"""All five docks one after the other with the included model, each leaving its picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.jobs import run_job
from napari_haiku.simulation.demo_slide import make_demo_slide
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.journey import PICTURES, JourneyPlan, walk

pytestmark = pytest.mark.e2e
REAL = os.environ.get("HAIKU_REAL_DATA")


def walked(viewer, plan, folder):
    pictures = walk(viewer, plan, folder)
    assert [picture.name for picture in pictures] == list(PICTURES)
    assert all(picture.stat().st_size > 20_000 for picture in pictures)
    return workspace_of(viewer)


@pytest.mark.skipif(
    not os.environ.get("HAIKU_PICTURES"),
    reason="takes minutes: name the folder of its pictures in HAIKU_PICTURES to run it",
)
def test_on_the_virtual_slide(make_napari_viewer, tmp_path):
    made = run_job(make_demo_slide(tmp_path, 1))
    plan = JourneyPlan(
        he=made.he,
        mif=made.mif,
        encoding=tmp_path / "virtual.haiku.zarr",
        atlas=shipped_atlas(),
        model="default",
        record=dict(made.record),
        at_um=None,
        marker="PanCK",
        clusters=4,
        edits={"stage": "IV"} if made.record.get("stage") != "IV" else {"stage": "II"},
        within_patient_um=None,
        region_um=(0.0, 0.0, 1200.0, 1200.0),
        seed=0,
    )
    folder = Path(os.environ.get("HAIKU_PICTURES", tmp_path / "pictures"))
    workspace = walked(make_napari_viewer(show=True), plan, folder)
    assert workspace.encoding.complete
    # Hits come from other patients than the virtual one.
    assert (workspace.hits.indices[0] >= 0).all()
    assert workspace.biomarkers is not None
    assert workspace.niches is not None


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="HAIKU_REAL_DATA names no folder of real tissue")
def test_on_real_tissue(make_napari_viewer, tmp_path):
    """Colorectal carcinoma, read off its own other region: pictures stay in the test's folder."""
    from napari_haiku.atlas.build import build_atlas
    from napari_haiku.encoding.pipeline import encode_slide
    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.images.reading import open_image
    from napari_haiku.model.loading import load_model

    folder = Path(REAL) / "orion_crc01"
    he = next(folder.glob("*west*he*.tif*"))
    mif = next(folder.glob("*west*mif*.tif*"))
    image = open_image(he)
    # The region lies where it was cut from the slide.
    x, y = image.origin_um
    region = (x + 1000.0, y + 1000.0, x + 3000.0, y + 3000.0)
    encoding = tmp_path / "west.haiku.zarr"
    request = EncodeRequest(
        he=image,
        mif=open_image(mif),
        output=encoding,
        slide_id="west",
        record={"diagnosis": "Adenocarcinoma"},
        region_um=region,
    )
    run_job(encode_slide(request, load_model()))
    run_job(build_atlas([encoding], tmp_path / "atlas"))
    plan = JourneyPlan(
        he=he,
        mif=mif,
        encoding=encoding,
        atlas=tmp_path / "atlas",
        model="default",
        record={"diagnosis": "Adenocarcinoma"},
        at_um=None,
        marker="PanCK",
        clusters=4,
        edits={},
        within_patient_um=500.0,
        region_um=region,
        seed=0,
        notice="Same patient, other region: not a test on a new patient.",
    )
    workspace = walked(make_napari_viewer(show=True), plan, tmp_path / "pictures")
    x, y = workspace.encoding.centres_um[workspace.selection]
    rows = workspace.hits.indices[0]
    apart = workspace.atlas.positions_um[rows[rows >= 0]] - [x, y]
    assert np.hypot(*apart.T).min() >= 500
