from __future__ import annotations

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.ome_metadata import read_ome

HEAD = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'


def document(pixels: str = "", inside: str = "", images: int = 1) -> str:
    image = f'<Image Name="slide"><Pixels {pixels}>{inside}</Pixels></Image>'
    return f"{HEAD}{image * images}</OME>"


def test_sizes_names_and_positions() -> None:
    ome = read_ome(
        document(
            'PhysicalSizeX="0.5" PhysicalSizeXUnit="\u00b5m" PhysicalSizeY="500" '
            'PhysicalSizeYUnit="nm"',
            '<Channel Name="DAPI"/><Channel/>'
            '<Plane PositionX="1.5" PositionXUnit="mm" PositionY="20" PositionYUnit="\u00b5m"/>',
        ),
        0,
        "a",
    )
    assert ome.pixel_size_um("a") == 0.5
    assert ome.channel_names == ("DAPI", "")
    assert ome.origin_um == (1500.0, 20.0)
    assert (ome.name, ome.notes) == ("slide", ())


def test_the_unit_is_um_where_the_standard_leaves_it_out() -> None:
    ome = read_ome(document('PhysicalSizeX="0.5" PhysicalSizeY="0.5"'), 0, "a")
    assert ome.pixel_size_um("a") == 0.5


def test_one_side_stands_for_both() -> None:
    assert read_ome(document('PhysicalSizeX="0.5"'), 0, "a").pixel_size_um("a") == 0.5


@pytest.mark.parametrize("pixels", ["", 'PhysicalSizeX="1" PhysicalSizeXUnit="pixel"'])
def test_no_size_is_no_size(pixels: str) -> None:
    assert read_ome(document(pixels), 0, "a").pixel_size_um("a") is None


@pytest.mark.parametrize("value", ["0", "-1", "abc", "nan", "500"])
def test_an_absurd_size_is_refused(value: str) -> None:
    ome = read_ome(document(f'PhysicalSizeX="{value}"'), 0, "a")
    with pytest.raises(HaikuError, match="cannot be right"):
        ome.pixel_size_um("a")


def test_a_position_without_a_unit_is_noted() -> None:
    ome = read_ome(document("", '<Plane PositionX="7" PositionY="9"/>'), 0, "a")
    assert ome.origin_um == (7.0, 9.0)
    assert ome.notes == ("The file's position has no unit; it is taken as um.",)


def test_a_position_that_is_no_number_is_noted() -> None:
    ome = read_ome(document("", '<Plane PositionX="x" PositionY="9"/>'), 0, "a")
    assert ome.origin_um == (0.0, 0.0)
    assert "no number" in ome.notes[0]


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<OME><Image>", "not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><OME/>', "entities"),
        (document(images=1), "fewer images"),
    ],
)
def test_broken_metadata_is_refused(xml: str, said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        read_ome(xml, 1, "a")


def test_an_image_without_pixels_says_nothing() -> None:
    ome = read_ome(f'{HEAD}<Image Name="label"/></OME>', 0, "a")
    assert ome.pixel_size_um("a") is None
