from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from image_files import he_pixels

from napari_haiku.errors import HaikuError
from napari_haiku.images.cutting import CutRequest, cut_cores
from napari_haiku.images.from_layer import image_from_array
from napari_haiku.images.microarray import Core, find_cores, one_patient_each, read_cores
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

SIZE, DIAMETER, PITCH = 10.0, 1000.0, 1500.0


def array(rows: int = 3, columns: int = 4, missing: tuple[int, int] = (1, 2)) -> SlideImage:
    """Draw discs of tissue on glass, one of them missing, one torn by a crack, none straight."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: int((rows + 0.5) * PITCH / SIZE), : int((columns + 0.5) * PITCH / SIZE)]
    pixels = np.full((*x.shape, 3), 243.0)
    for row in range(rows):
        for column in range(columns):
            if (row, column) == missing:
                continue
            cx, cy = ((np.array([column, row]) + 0.75) * PITCH + rng.uniform(-80, 80, 2)) / SIZE
            disc = (x - cx) ** 2 + (y - cy) ** 2 < (DIAMETER / 2 / SIZE) ** 2
            pixels[disc] = (205, 130, 185)
            if (row, column) == (0, 1):
                pixels[np.abs(x - cx) < 2] = 243
    pixels += rng.normal(0, 2, pixels.shape)
    return image_from_array(
        np.clip(pixels, 0, 255).astype(np.uint8), rgb=True, scale_um=SIZE, translate=(200, 100)
    )


def test_cores_are_found_and_named_by_row_and_column() -> None:
    cores = find_cores(array())
    names = [core.name for core in cores]
    assert names == [f"{r}{c}" for r in "ABC" for c in range(1, 5) if (r, c) != ("B", 3)]
    first = cores[0]
    assert (first.x_um, first.y_um) == pytest.approx((100 + 1125, 200 + 1125), abs=100)
    assert first.diameter_um == pytest.approx(1100, rel=0.1)


@pytest.mark.parametrize("pixels", [np.full((300, 300, 3), 243), he_pixels(300, 300)])
def test_a_slide_that_is_no_array_is_told(pixels: np.ndarray) -> None:
    image = image_from_array(pixels.astype(np.uint8), rgb=True, scale_um=20.0)
    with pytest.raises(HaikuError, match="No cores were found"):
        find_cores(image)


def test_a_table_gives_positions_patients_and_records(tmp_path: Path) -> None:
    path = tmp_path / "cores.csv"
    path.write_text("core,x_um,y_um,patient_id,stage\nA1,1000,1000,P7,II\nA2,2500,1000,,III\n")
    first, second = read_cores(path, diameter_um=1000)
    assert first == Core("A1", 1000, 1000, 1000, "P7", (("stage", "II"),))
    assert one_patient_each((first, second))[1].patient_id == "core-A2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("core,x_um\nA1,1\n", "no column y_um"),
        ("core,x_um,y_um\nA1,1,2\n", "diameter"),
        ("core,x_um,y_um,diameter_um\nA1,1,far,9\n", "no number"),
        ("core,x_um,y_um,diameter_um\nA1,1,1,9\nA1,2,2,9\n", "twice"),
        ("", "table of cores"),
    ],
)
def test_tables_that_hold_no_cores_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cores.csv").write_text(text)
    with pytest.raises(HaikuError, match=rf"cores\.csv.*{said}|diameter"):
        read_cores(tmp_path / "cores.csv")


def test_cores_become_a_cohort_that_lies_where_it_lay(tmp_path: Path) -> None:
    image = array()
    cores = (*find_cores(image)[:2], Core("Z9", -9e4, -9e4, 1000.0))
    done = run_job(cut_cores(CutRequest(image, None, cores, tmp_path / "cohort")))
    assert (done.cores, done.left_out) == (2, ("Z9",))
    table = pd.read_csv(done.manifest, dtype=str, keep_default_na=False)
    assert list(table.columns) == ["slide_id", "patient_id", "he", "mif"]
    assert table["patient_id"].nunique() == 2
    cut = open_image(done.manifest.parent / table["he"][0])
    assert cut.pixel_size_um == pytest.approx(SIZE)
    x0, y0, x1, y1 = cut.extent_um
    assert (x0 + x1) / 2 == pytest.approx(cores[0].x_um, abs=SIZE)
    assert (y0 + y1) / 2 == pytest.approx(cores[0].y_um, abs=SIZE)
    column, row = (round((a - b) / SIZE) for a, b in zip((x0, y0), image.origin_um, strict=True))
    stored = image.read_region(0, row, row + 20, column, column + 20)
    assert (cut.read_region(0, 0, 20, 0, 20) == stored).all()
    with pytest.raises(HaikuError, match="exists already"):
        CutRequest(image, None, cores, tmp_path / "cohort")
