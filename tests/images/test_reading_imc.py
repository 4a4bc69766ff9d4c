from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image

COLUMNS = ["CD3(Er170Di)", "141Pr_aSMA(Pr141Di)", "80ArAr(ArAr80Di)", "191Ir(Ir191Di)"]


def shots(width: int = 5, height: int = 4, channels: int = 4) -> np.ndarray:
    """Rows of X, Y, Z and channels, as both kinds of file hold them."""
    y, x = (a.ravel() for a in np.mgrid[:height, :width])
    values = [(c + 1) * 100 + y * 10 + x for c in range(channels)]
    return np.stack([x, y, 0 * x, *values], axis=1).astype(np.float32)


def write_text(path: Path, rows: np.ndarray, columns: list[str] = COLUMNS) -> Path:
    lines = ["\t".join(["Start_push", "End_push", "Pushes_duration", "X", "Y", "Z", *columns])]
    lines += ["\t".join(["1", "2", "3", *(f"{v:g}" for v in row)]) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_mcd(path: Path, rows: np.ndarray, width: int, height: int) -> Path:
    """Write the smallest MCD file: shots as floats, then the description in UTF-16."""
    head = b"\0" * 64
    names = [("X", ""), ("Y", ""), ("Z", ""), ("Er170", "CD3"), ("Pr141", "aSMA")]
    channels = "".join(
        f"<AcquisitionChannel><ID>{i}</ID><ChannelName>{name}</ChannelName><OrderNumber>{i}"
        f"</OrderNumber><AcquisitionID>0</AcquisitionID><ChannelLabel>{label}</ChannelLabel>"
        "</AcquisitionChannel>"
        for i, (name, label) in enumerate(
            [(n if n in "XYZ" else f"{n[:2]}({n[2:]})", x) for n, x in names]
        )
    )
    xml = (
        '<MCDSchema xmlns="http://www.fluidigm.com/IMC/MCDSchema_V2_0.xsd">'
        "<Slide><ID>0</ID><WidthUm>75000</WidthUm><HeightUm>25000</HeightUm></Slide>"
        "<Panorama><ID>0</ID><SlideID>0</SlideID></Panorama>"
        "<AcquisitionROI><ID>0</ID><PanoramaID>0</PanoramaID></AcquisitionROI>"
        "<Acquisition><ID>0</ID><AcquisitionROIID>0</AcquisitionROIID>"
        f"<MaxX>{width}</MaxX><MaxY>{height}</MaxY><DataStartOffset>64</DataStartOffset>"
        f"<DataEndOffset>{64 + rows.nbytes}</DataEndOffset><ValueBytes>4</ValueBytes>"
        "<AblationDistanceBetweenShotsX>1</AblationDistanceBetweenShotsX>"
        "<AblationDistanceBetweenShotsY>1</AblationDistanceBetweenShotsY></Acquisition>"
        f"{channels}</MCDSchema>"
    )
    path.write_bytes(head + rows.tobytes() + xml.encode("utf-16-le"))
    return path


def test_a_text_export_has_its_markers_and_says_that_it_has_no_pixel_size(tmp_path: Path) -> None:
    path = write_text(tmp_path / "roi.txt", shots())
    image = open_image(path)
    assert (image.modality, image.levels[0].shape) == ("mif", (4, 4, 5))
    assert image.pixel_size_um is None
    assert image.channel_names == ("CD3", "aSMA", "80ArAr", "191Ir")
    assert image.used_markers[:2] == ("CD3e", "aSMA")
    assert image.levels[0][1].compute()[3].tolist() == [230, 231, 232, 233, 234]
    assert any("1 um" in note for note in image.notes)
    assert open_image(path, pixel_size_um=1.0).extent_um == (0, 0, 5, 4)


def test_shots_may_come_in_any_order(tmp_path: Path) -> None:
    rows = shots()
    a = open_image(write_text(tmp_path / "a.txt", rows))
    b = open_image(write_text(tmp_path / "b.txt", rows[::-1]))
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_text_export_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = write_text(tmp_path / "roi.txt", shots())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(HaikuError, match=r"roi\.txt"):
        open_image(path)


def test_text_without_numbers_or_channels_is_refused(tmp_path: Path) -> None:
    path = write_text(tmp_path / "roi.txt", shots(), [])
    with pytest.raises(HaikuError, match="no columns X, Y and channels"):
        open_image(path)
    rows = shots()
    rows[3, 0] = 1e9
    with pytest.raises(HaikuError, match="damaged"):
        open_image(write_text(path, rows))


def test_an_mcd_file(tmp_path: Path) -> None:
    pytest.importorskip("readimc")
    path = write_mcd(tmp_path / "slide.mcd", shots(channels=2), 5, 4)
    image = open_image(path)
    assert image.levels[0].shape == (2, 4, 5)
    assert image.pixel_size_um == 1.0
    assert image.used_markers == ("CD3e", "aSMA")
    assert image.levels[0][0].compute()[2].tolist() == [120, 121, 122, 123, 124]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_an_mcd_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    pytest.importorskip("readimc")
    path = write_mcd(tmp_path / "slide.mcd", shots(channels=2), 5, 4)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(HaikuError, match=r"slide\.mcd is damaged"):
        open_image(path)


def test_an_mcd_file_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.mcd").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "readimc", None)
    with pytest.raises(HaikuError, match=r'pip install "napari-haiku\[imc\]"'):
        open_image(tmp_path / "s.mcd")
