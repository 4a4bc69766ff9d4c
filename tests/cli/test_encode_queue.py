"""``encode`` with several slides: images or a manifest, failures, a table at the end."""

from __future__ import annotations

import pytest

from napari_haiku.cli.encode_queue import file_name


@pytest.fixture
def cut(slide, tmp_path):
    """An H&E whose file ends too early."""
    path = tmp_path / "cut.ome.tif"
    whole = slide[0].read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def test_one_image_that_fails_does_not_stop_the_rest(run, slide, cut, model_folder, tmp_path):
    arguments = ("--output", tmp_path / "out", "--model", model_folder, "--json")
    done = run("encode", cut, *slide, *arguments)
    assert done.exit_code == 1
    content = done.content
    assert (content["encoded"], content["failed"]) == (2, 1)
    first, he, mif = content["slides"]
    assert "cut.ome.tif" in first["failed"]
    assert he["patches"] == mif["patches"] == 24
    assert "1 of 3 slides could not be encoded" in done.stderr
    assert "Traceback" not in done.stderr
    again = run("encode", *slide, *arguments)
    assert again.exit_code == 0
    assert [row["resumed_from"] for row in again.content["slides"]] == [24, 24]


def test_a_manifest_is_encoded_with_its_records(run, slide, model_folder, tmp_path):
    from napari_haiku.encoding.store import Encoding

    table = tmp_path / "cohort.csv"
    table.write_text(
        "slide_id,patient_id,he,mif,stage\n"
        f"good,P1,{slide[0]},{slide[1]},II\n"
        "bad/one,P2,absent.tif,,III\n",
        encoding="utf-8",
    )
    done = run("encode", table, "--output", tmp_path / "out", "--model", model_folder)
    assert done.exit_code == 1
    table_of_outcomes = done.stdout.splitlines()
    assert table_of_outcomes[0].startswith("line 2  24 patches in good.zarr")
    assert table_of_outcomes[1].startswith("line 3  failed: ")
    assert "absent.tif does not exist" in table_of_outcomes[1]
    assert "P2" not in done.stdout + done.stderr
    made = Encoding.open(tmp_path / "out" / "good.zarr")
    assert (made.record["stage"], made.patient_id) == ("II", "P1")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--mif", "m.tif"), ("--set", "a=b"), ("--region", "0,0,1,1"), ("--slide-id", "x")],
)
def test_options_of_one_slide_are_wrong_usage(run, slide, tmp_path, option, value):
    done = run("encode", *slide, option, value, "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert option in done.stderr


def test_what_cannot_be_told_apart_is_refused(run, slide, encoding, tmp_path):
    (tmp_path / "b").mkdir()
    for paths, output, said in (
        ([slide[0], tmp_path / "b" / slide[0].name], "out", "are called"),
        ([tmp_path / "a.csv", slide[0]], "out", "give it alone"),
        (slide, encoding, "give a folder for several"),
    ):
        done = run("encode", *paths, "--output", tmp_path / output, "--json")
        assert done.exit_code == 1
        assert said in done.content["error"]


def test_names_of_files_are_safe_and_stay_apart():
    assert file_name("slide-1.b") == "slide-1.b"
    names = {file_name(odd) for odd in ("a/b", "a b", "a_b", "..", "ä")}
    assert len(names) == 5
    assert not any(set(name) & set("/\\ :ä") for name in names)


@pytest.mark.parametrize("scheduler", ["local:none", "nonsense://nowhere"])
def test_a_scheduler_that_is_none_is_told(run, slide, model_folder, tmp_path, scheduler):
    distributed = pytest.importorskip("distributed", reason="needs napari-haiku[cluster]")
    done = run(
        "encode", slide[0], "--scheduler", scheduler, "--output", tmp_path / "e.zarr",
        "--model", model_folder, "--json",
    )  # fmt: skip
    assert done.exit_code == 1
    assert scheduler in done.content["error"]
    with pytest.raises(ValueError, match="No clients found"):
        # A client left behind would be handed every image read from then on.
        distributed.default_client()
