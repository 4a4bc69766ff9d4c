from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.affine import Affine
from napari_haiku.images.landmarks import fit_landmarks, pixels_to_um, read_pairs, read_points

TRUE = Affine.of([[1.02, -0.05, 4000], [0.04, 0.98, -300]])
POINTS = np.array([[0.0, 0], [900, 30], [50, 700], [800, 900], [400, 450]])


def test_exact_pairs_give_the_affine_and_no_residual() -> None:
    for count in (3, 5):
        fit = fit_landmarks(TRUE.apply(POINTS[:count]), POINTS[:count])
        assert np.array(fit.affine.rows) == pytest.approx(np.array(TRUE.rows), abs=1e-8)
        assert max(fit.residuals_um) < 1e-6
    assert len(fit.left_out_um) == 5
    assert fit_landmarks(TRUE.apply(POINTS[:3]), POINTS[:3]).left_out_um == ()


def test_one_wrong_pair_shows_most_when_it_is_left_out() -> None:
    moving = np.random.default_rng(0).uniform(0, 1000, (20, 2))
    fixed = TRUE.apply(moving)
    fixed[2] += (30, 40)
    fit = fit_landmarks(fixed, moving)
    assert int(np.argmax(fit.left_out_um)) == 2
    assert fit.left_out_um[2] == pytest.approx(50, abs=1e-6)
    assert 0 < fit.to_json()["residual_um"] < 50


@pytest.mark.parametrize(
    ("fixed", "moving", "said"),
    [
        (POINTS[:2], POINTS[:2], "at least 3"),
        (POINTS[:4], POINTS[:3], "in pairs"),
        (POINTS[:4] * [1, 0], POINTS[:4], "on one line"),
        (np.full((4, 2), 7.0), POINTS[:4], "on one line"),
        (POINTS * np.nan, POINTS, "no number"),
    ],
)
def test_pairs_that_fix_no_affine_are_refused(
    fixed: np.ndarray, moving: np.ndarray, said: str
) -> None:
    with pytest.raises(HaikuError, match=said):
        fit_landmarks(fixed, moving)


def test_tables_of_points_and_pairs(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(",X,Y\n1,59,72\n2,122,108\n")
    assert read_points(tmp_path / "p.csv").tolist() == [[59, 72], [122, 108]]
    (tmp_path / "q.csv").write_text("he_x_um;he_y_um;mif_x_um;mif_y_um\n1;2;3;4\n")
    fixed, moving = read_pairs(tmp_path / "q.csv")
    assert (fixed.tolist(), moving.tolist()) == ([[1, 2]], [[3, 4]])


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,b\n1,2\n", "no column x"), ("x,y\n1,two\n", "no number"), ("", "no column x")],
)
def test_tables_that_hold_no_landmarks(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(HaikuError, match=rf"p\.csv.*{said}"):
        read_points(tmp_path / "p.csv")


def test_a_pixels_index_is_its_centre() -> None:
    from image_files import slide

    image = slide(pixel_size_um=2.0, origin_um=(10.0, 20.0))
    assert pixels_to_um(np.array([[0.0, 3.0]]), image).tolist() == [[11.0, 27.0]]


@pytest.mark.real_data
def test_landmarks_of_real_sections_lie_on_each_other(real_data: Path) -> None:
    folder = real_data / "birl_landmarks"
    fixed = read_points(folder / "Izd2-29-041-w35_HE.csv")
    moving = read_points(folder / "Izd2-29-041-w35_proSPC.csv")
    before = np.median(np.hypot(*(fixed - moving).T))
    fit = fit_landmarks(fixed, moving)
    after = float(np.median(fit.left_out_um))
    # In pixels: consecutive sections are torn and stretched, which no affine undoes.
    assert before > 60
    assert after < 0.2 * before
