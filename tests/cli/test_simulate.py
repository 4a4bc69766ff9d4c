"""``simulate``: what it says and what it refuses."""

from __future__ import annotations

import json

SMALL = ("--patients", 1, "--seed", 3, "--field-um", "120,110")


def test_simulate_says_what_it_made(run, tmp_path):
    done = run("simulate", tmp_path / "c", *SMALL, "--preset", "easy", "--confounding", "--json")
    assert done.exit_code == 0, done.stderr
    content = done.content
    assert (content["patients"], content["seed"]) == (1, 3)
    assert (content["preset"], content["confounding"]) == ("easy", True)
    assert (content["resumed_from"], content["renewed_from"]) == (0, None)
    said = json.loads((tmp_path / "c" / "simulation.json").read_text(encoding="utf-8"))
    assert (said["preset"], said["confounding"], said["seed"]) == ("easy", True, 3)

    again = run("simulate", tmp_path / "c", *SMALL, "--preset", "hard", "--json")
    assert again.exit_code == 1
    assert "preset 'easy' not 'hard'" in again.stderr


def test_renewing_an_earlier_manifest_is_told(run, tmp_path):
    assert run("simulate", tmp_path / "c", *SMALL).exit_code == 0
    path = tmp_path / "c" / "simulation.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"generator": 1}), encoding="utf-8")
    done = run("simulate", tmp_path / "c", *SMALL)
    assert done.exit_code == 0
    assert "the manifest was renewed" in " ".join(done.stdout.split())


def test_what_cannot_be_made_is_told_in_a_sentence(run, tmp_path):
    for option, value, told in (
        ("--preset", "brutal", "choose one of easy, standard, hard"),
        ("--format", "png", "choose ome-tiff or ome-zarr"),
    ):
        done = run("simulate", tmp_path / "c", *SMALL, option, value)
        assert done.exit_code == 1
        assert told in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "c").exists()
