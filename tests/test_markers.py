from __future__ import annotations

import re
import string

import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.markers import MARKER_GROUPS, resolve_marker, resolve_panel, vocabulary

SPELLINGS = {
    "141Pr-CD3": "CD3e",
    "CD3 (clone SP7)": "CD3e",
    "CD3 clone SP7 rabbit": "CD3e",
    "CD3-epsilon": "CD3e",
    "CD8a_8__CD8a": "CD8",
    "CD3_8__CD3": "CD3e",
    "Pan-CK_17__Pan-CK": "PanCK",
    "Hoechst_0__Hoechst": "DAPI",
    "FITC-CD4": "CD4",
    "Alexa Fluor 488 CD4": "CD4",
    "Alexa 647N-CD8": "CD8",
    "CD8 (Opal 520)": "CD8",
    "Opal 690 - CD68": "CD68",
    "Pan-cytokeratin": "PanCK",
    "Cytokeratin": "PanCK",
    "PanKRT": "PanCK",
    "AE1/AE3": "PanCK",
    "KERATIN 8_18": "Keratin8_18",
    "CK8_18": "Keratin8_18",
    "Cytokeratin 8/18": "Keratin8_18",
    "CK19": "Keratin19",
    "PD-L1": "PDL1",
    "CD274": "PDL1",
    "CD274 (PD-L1)": "PDL1",
    "PD-L1 (28-8)": "PDL1",
    "PD-L1 SP263": "PDL1",
    "PD-1": "PD1",
    "CD279": "PD1",
    "MHCII": "HLA-DR",
    "HLADRDPDQ": "HLA-DR",
    "HLA-A": "HLA-ABC",
    "HLA-A,B,C": "HLA-ABC",
    "Ki-67": "Ki67",
    "Antigen Ki67": "Ki67",
    "Ki-67 (MIB-1)": "Ki67",
    "SMA": "aSMA",
    "\u03b1-SMA": "aSMA",
    "Aortic smooth muscle actin": "aSMA",
    "ACTA2": "aSMA",
    "FOXP3": "FoxP3",
    "GZMB": "GranzymeB",
    "Granzyme-B": "GranzymeB",
    "p63": "TP63",
    "Galectin-3": "Gal3",
    "E-Cadherin": "ECad",
    "CDH1": "ECad",
    "PDPN": "Podoplanin",
    "F4/80": "F4_80",
    "PGP9.5": "PGP9_5",
    "UCHL1": "PGP9_5",
    "CD45RO (UCHL1)": "CD45RO",
    "CD45 RA": "CD45RA",
    "DNA 1": "DAPI",
    "DNA1_Ir191": "DAPI",
    "DAPI-02": "DAPI",
    "Hoechst 33342": "DAPI",
    "191Ir": "DAPI",
    "Pr141(CD3)Di": "CD3e",
    "CD3(Pr141)Di": "CD3e",
    "CD11c 154Sm": "CD11c",
    "cyc002_ch003_CD20": "CD20",
    "Cycle 2 CD3": "CD3e",
    "anti-human CD31": "CD31",
    "CD31 (JC/70A)": "CD31",
    "TCR\u03b3\u03b4": "TCRgammadelta",
    "\u03b2-catenin": "bCatenin",
    "Collagen IV": "CollagenIV",
    "01_DAPI": "DAPI",
    "CD68_Opal_620": "CD68",
    "HLA-DR_AF750": "HLA-DR",
    "CK (AE1/AE3)": "PanCK",
    "CD45 (2B11 + PD7/26)": "CD45",
    "Nd142_SMA": "aSMA",
    "CD3 152Sm(Dd)": "CD3e",
    "pSTAT3 (Y705)": "pSTAT3",
    "CD107a (LAMP-1)": "CD107a",
    "Collagen type IV": "CollagenIV",
    "ER": "ERa",
    "VIM": "Vimentin",
    "phospho-Histone H3": "HistoneH3p",
}


@pytest.mark.parametrize(("name", "canonical"), SPELLINGS.items())
def test_usual_spellings_are_recognised(name: str, canonical: str) -> None:
    match = resolve_marker(name)
    assert (match.canonical, match.status, match.name) == (canonical, "recognised", name)


@pytest.mark.parametrize(
    "name",
    [
        "Collagen 1",
        "COLI",
        "169Tm-TypICollagen",
        "GZMK",
        "Granzyme K",
        "BCL-XL",
        "CD3d",
        "CD8b",
        "CK8",
        "KRT8",
        "Keratin 5",
        "Cytokeratin 5",
        "Cytokeratin (5/6)",
        "CD45RB",
        "CD79b",
        "CD16/32",
        "CD49f",
        "CD66e",
        "PD-L2",
        "STAT3",
        "Histone H3",
        "HH3",
        "IDO2",
        "p53",
        "Na/K ATPase",
        "Channel 3",
        "Opal 520",
        "Cy5",
        "5-HT",
        "Yb176_HistoneH3",
        "KRT5/6",
        "collagen type I",
        "",
    ],
)
def test_a_protein_outside_the_vocabulary_is_unknown_not_the_nearest_name(name: str) -> None:
    match = resolve_marker(name)
    assert (match.status, match.canonical) == ("unknown", None)


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("Collagen", ("CollagenIV",)),
        ("Keratin", ("PanCK", "Keratin8_18", "Keratin14", "Keratin19")),
        ("CK-EPCAM", ("EpCAM", "PanCK")),
        ("CD8 (CD3)", ("CD3e", "CD8")),
        ("TCR", ("TCRb", "TCRgammadelta")),
        ("CD45R", ("CD45RA", "CD45RO")),
        ("CD4_5", ("CD4", "CD45")),
        ("CD20_6", ("CD20", "CD206")),
        ("S100", ("S100A4",)),
        ("Nuc", ("DAPI",)),
    ],
)
def test_an_ambiguous_name_returns_its_candidates(name: str, candidates: tuple[str, ...]) -> None:
    match = resolve_marker(name)
    assert (match.status, match.canonical) == ("ambiguous", None)
    assert match.candidates == candidates


@pytest.mark.parametrize(
    "name",
    [
        "Autofluorescence",
        "AF1",
        "Autofluorescence_1__Autofluorescence",
        "Blank",
        "blank_2",
        "blank_c1",
        "Empty-Cy3",
        "Background 488",
        "AF_Cy5",
        "background",
        "Empty",
        "141Pr",
        "Xe131",
        "80ArAr",
        "isotype control",
        "H&E",
        "P",
        "Cd112",
    ],
)
def test_channels_without_a_marker_are_recognised_as_such(name: str) -> None:
    match = resolve_marker(name)
    assert (match.status, match.canonical) == ("not a marker", None)


def test_a_metal_tag_is_told_from_a_cd_number_by_its_case() -> None:
    assert resolve_marker("Cd112").status == "not a marker"
    assert resolve_marker("CD112").status == "unknown"


def test_the_vocabulary_holds_123_markers_and_each_is_its_own_name() -> None:
    names = vocabulary()
    assert len(names) == len(set(names)) == 123
    assert all(resolve_marker(name).canonical == name for name in names)


def test_both_published_spellings_of_one_marker_agree() -> None:
    assert resolve_marker("PGP9_5").canonical == resolve_marker("PGP9.5").canonical


def test_groups_name_markers_of_the_vocabulary() -> None:
    named = {marker for group in MARKER_GROUPS.values() for marker in group}
    assert named <= set(vocabulary())
    assert "DAPI" in MARKER_GROUPS["nuclei"]


@given(st.sampled_from(vocabulary()), st.sampled_from(["upper", "lower", "title"]))
def test_case_does_not_matter(name: str, change: str) -> None:
    assert resolve_marker(getattr(name, change)()).canonical == name


@given(st.sampled_from(vocabulary()), st.sampled_from(["", " ", "  "]))
def test_surrounding_blanks_do_not_matter(name: str, blank: str) -> None:
    assert resolve_marker(f"{blank}{name}{blank}").canonical == name


@given(
    st.sampled_from(vocabulary()),
    st.sampled_from(["141Pr-{}", "{} (clone ABC12)", "FITC-{}", "anti-{}", "{} antibody"]),
)
def test_tags_do_not_change_the_marker(name: str, around: str) -> None:
    assert resolve_marker(around.format(name)).canonical == name


@given(st.text(alphabet=string.printable + "\u03b1\u03b3\u00b5\u4e2d", max_size=40))
def test_any_text_gets_one_of_the_four_answers(name: str) -> None:
    match = resolve_marker(name)
    assert match.name == name
    assert (match.canonical in vocabulary()) == (match.status == "recognised")
    assert bool(match.candidates) == (match.status == "ambiguous")


def test_a_panel_keeps_its_order() -> None:
    matches = resolve_panel(["Hoechst", "Autofluorescence", "CD8a", "HER2"])
    assert [match.canonical for match in matches] == ["DAPI", None, "CD8", None]
    assert [match.status for match in matches][1:] == ["not a marker", "recognised", "unknown"]


def test_one_marker_twice_in_a_panel_names_both_channels() -> None:
    with pytest.raises(HaikuError, match=r"Channels 1 \(CD3\) and 3 \(CD3e\) are both CD3e"):
        resolve_panel(["CD3", "DAPI", "CD3e"])


def test_one_unknown_name_twice_is_refused_too() -> None:
    with pytest.raises(HaikuError, match="both HER2"):
        resolve_panel(["HER2", "her2"])


def test_the_nuclear_stain_of_later_rounds_is_left_aside() -> None:
    matches = resolve_panel(["DNA 1", "CD3", "DNA 2"])
    assert [match.canonical for match in matches] == ["DAPI", "CD3e", None]
    assert matches[2].status == "not a marker"


def test_several_blanks_are_no_duplicates() -> None:
    assert len(resolve_panel(["blank", "blank", "AF", "AF"])) == 4


@pytest.mark.real_data
def test_every_channel_of_the_real_data_gets_an_answer(real_data: object) -> None:
    from pathlib import Path

    folder = Path(str(real_data))
    names = [file.stem for file in (folder / "mibi_breast_dcis").rglob("*.tif")]
    for table, column in (
        ("orion_crc01/channels.csv", "marker"),
        ("orion_crc01/channels.csv", "folder"),
        ("cycif_tonsil/cycif-tonsil-channels.csv", "marker_name"),
    ):
        header, *rows = (folder / table).read_text().split("\n")
        place = header.strip().split(",").index(column)
        names += [row.strip().split(",")[place] for row in rows if row.strip()]
    for file in folder.rglob("*.ome.tif"):
        with tifffile.TiffFile(file) as tiff:
            names += re.findall(r'<Channel[^>]* Name="([^"]+)"', tiff.ome_metadata or "")
    assert {"Pan-CK", "CK-EPCAM"} <= set(names)
    unknown = {name for name in names if resolve_marker(name).status == "unknown"}
    expected = [
        "AR",
        "CD36",
        "CK5",
        "CK7",
        "COLI",
        "COX2",
        "GLUT1",
        "HER2",
        "HH3",
        "HIF1a",
        "MMP9",
        "pS6",
    ]
    assert unknown == {*expected, "Na/K ATPase"}
    assert {n for n in names if resolve_marker(n).status == "ambiguous"} == {
        "Nuc",
        "CK-EPCAM",
    }
