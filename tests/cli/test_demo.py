"""``demo``: its figures on a virtual slide and on a slide of one's own, without the window."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_haiku.cli import demo_run, demo_slides
from napari_haiku.cli.demo_plan import DemoPlan
from napari_haiku.cli.demo_screen import Screen


@pytest.fixture(scope="module", autouse=True)
def no_screen():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            demo_run, "choose_screen", lambda *, no_window: Screen("none", "No pictures here.")
        )
        yield


@pytest.fixture(scope="module")
def wide_slide(make_he, make_mif, tmp_path_factory):
    """A slide wide enough for a gap of 500 um within it: 1,400 x 400 um."""
    folder = tmp_path_factory.mktemp("wide")
    shape = (200, 700)
    return (
        make_he(folder / "wide_he.ome.tif", 4, shape),
        make_mif(folder / "wide_mif.ome.tif", seed=4, shape=shape),
    )


@pytest.fixture(scope="module")
def real(no_screen, run, wide_slide, model_folder, record_file, tmp_path_factory):
    he, mif = wide_slide
    output = tmp_path_factory.mktemp("real") / "out"
    done = run(
        "demo", "--slide", he, "--mif", mif, "--metadata", record_file, "--model", model_folder,
        "--output", output, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return done, output


def test_a_slide_of_ones_own_leaves_the_contract(real):
    done, output = real
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert {k: v for k, v in done.content.items() if k not in ("output", "seconds")} == {
        k: v for k, v in summary.items() if k != "seconds"
    }
    assert summary["patches"] == 56
    assert summary["patches_predicted"] == 28
    assert summary["atlas"] == {
        "name": summary["atlas"]["name"], "patients": 1, "patches": 28,
    }  # fmt: skip
    assert summary["markers"] == ["DAPI", "PanCK", "CD8"]
    assert set(summary["pearson_r"]) == {"DAPI", "PanCK", "CD8"}
    assert summary["mean_pearson_r"] == pytest.approx(np.mean([*summary["pearson_r"].values()]))
    assert summary["screenshots"] == []
    assert "Same patient" in summary["label"]
    steps = {"slide", "model", "encode", "atlas", "similar", "biomarkers", "niches"}
    assert steps | {"counterfactual", "total"} <= set(summary["seconds"])
    assert "No pictures here." in done.stderr


def test_left_is_the_atlas_and_right_is_predicted(real):
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

    _, output = real
    plan = DemoPlan.read(output / "journey.json")
    atlas, slide = Atlas.open(plan.atlas), Encoding.open(plan.encoding)
    x = slide.centres_um[:, 0]
    x0, _, x1, _ = plan.region_um
    assert atlas.positions_um[:, 0].max() < x0
    assert ((x >= x0) & (x < x1)).sum() == 28
    assert plan.within_patient_um == 500


def test_every_neighbour_is_500_um_away(real):
    import pandas as pd

    from napari_haiku.atlas.store import Atlas

    _, output = real
    plan = DemoPlan.read(output / "journey.json")
    table = pd.read_parquet(output / "biomarkers" / "predictions.parquet")
    left = Atlas.open(plan.atlas).positions_um
    reach = [
        np.hypot(*(left - (x, y)).T).max() for x, y in zip(table.x_um, table.y_um, strict=True)
    ]
    assert (np.array(reach) >= 500).all()
    assert table["x_um"].min() > left[:, 0].max()


def test_patches_further_than_the_gap_from_all_of_the_atlas_have_an_r_of_their_own(real):
    import pandas as pd

    from napari_haiku.encoding.store import Encoding

    done, output = real
    table = pd.read_parquet(output / "biomarkers" / "predictions.parquet")
    far = table[table["x_um"] >= 650 + 500]
    measured = Encoding.open(DemoPlan.read(output / "journey.json").encoding).expression
    r = np.corrcoef(far["PanCK"], measured[far["patch"], 1])[0, 1]
    told = done.content["beyond_gap"]
    assert told["patches"] == len(far) == 12
    assert told["pearson_r"]["PanCK"] == pytest.approx(r, abs=1e-5)


def test_one_patient_knows_no_other_stage_and_says_so(real):
    done, _ = real
    told = done.content["counterfactual"]
    assert told["edit"] == {"stage": "IV"}
    assert "no patient with stage IV" in told["refused"]
    assert told["refused"] in done.stderr


def test_again_resumes(real, run, wide_slide, model_folder, record_file):
    _, output = real
    he, mif = wide_slide
    done = run(
        "demo", "--slide", he, "--mif", mif, "--metadata", record_file, "--model", model_folder,
        "--output", output, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.content["pearson_r"] == real[0].content["pearson_r"]


def test_no_identifying_field_leaves(real):
    done, output = real
    for name in ("summary.json", "niches/niches.parquet"):
        assert b"Q7731" not in (output / name).read_bytes()
    assert "Q7731" not in done.stdout + done.stderr


def test_a_model_trained_on_the_left_half_is_told(
    run, wide_slide, model_folder, tmp_path, monkeypatch
):
    from napari_haiku.images.reading import open_image
    from napari_haiku.model.loading import load_model

    def trained(_report, name, device):
        model = load_model(name, device=device)
        image = {"fingerprint": open_image(wide_slide[0]).fingerprint}
        model.card = {**model.card, "training_images": [image | {"region_um": [0, 0, 700, 300]}]}
        return model

    monkeypatch.setattr(demo_slides, "loaded_model", trained)
    done = run(
        "demo", "--slide", wide_slide[0], "--mif", wide_slide[1], "--model", model_folder,
        "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "another part of this image" in done.content["model_notice"]
    assert done.content["model_notice"] in done.stderr


def test_the_virtual_slide(run, atlas, model_folder, tmp_path, monkeypatch):
    from napari_haiku.simulation.demo_slide import make_demo_slide

    monkeypatch.setattr(demo_slides, "shipped_atlas", lambda: atlas)
    monkeypatch.setattr(
        demo_slides,
        "make_demo_slide",
        lambda folder, seed: make_demo_slide(folder, seed, field_um=(400, 400)),
    )
    output = tmp_path / "out"
    done = run("demo", "--model", model_folder, "--output", output, "--seed", "2")
    assert done.exit_code == 0, done.stderr
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert summary["slide"] == "virtual"
    assert summary["seed"] == 2
    assert summary["label"] == ""
    assert summary["atlas"]["patients"] == 4
    assert summary["patches_predicted"] == summary["patches"] > 0
    assert len(summary["similar"]["hits"]) == 10
    assert sum(summary["niches"].values()) == summary["patches"]
    assert "support" in summary["counterfactual"]
    assert "mean r" in done.stdout
    assert "Research use only." in done.stdout


@pytest.mark.parametrize(
    "arguments", [("--mif", "m.tif"), ("--metadata", "r.json"), ("--patient", "P1")]
)
def test_a_slides_companions_need_the_slide(run, arguments):
    assert run("demo", *arguments).exit_code == 2


def test_an_he_alone_is_refused(run, wide_slide, model_folder, tmp_path):
    done = run(
        "demo", "--slide", wide_slide[0], "--model", model_folder, "--output", tmp_path, "--json"
    )
    assert done.exit_code == 1
    assert "--mif" in done.content["error"]


def test_a_file_where_the_folder_should_be(run, tmp_path):
    (tmp_path / "out").touch()
    done = run("demo", "--output", tmp_path / "out", "--json")
    assert done.exit_code == 1
    assert "out" in done.content["error"]
