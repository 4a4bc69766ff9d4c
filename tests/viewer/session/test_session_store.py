from __future__ import annotations

from pathlib import Path

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session import session_store
from napari_haiku.viewer.session.belonging import Belonging
from napari_haiku.viewer.session.folder import SUFFIX, read_session, write_session
from napari_haiku.viewer.session.session_store import SessionStore

OF = Belonging("slide.haiku.zarr")


@pytest.fixture
def store(tmp_path: Path):
    place = tmp_path / f"slide{SUFFIX}"
    write_session(place, {"names": {"first": "Nest"}}, OF)
    store = SessionStore(place)
    store.read()
    yield store
    store.let_go()


def test_what_was_in_place_lies_beside_under_its_date(store: SessionStore) -> None:
    aside = store.replace({"names": {"first": "Nest"}}, {"names": {"first": "Copy"}}, OF)
    assert read_session(aside).parts == {"names": {"first": "Nest"}}
    assert read_session(store.place).parts == {"names": {"first": "Copy"}}


def full_disk(monkeypatch: pytest.MonkeyPatch, *refused: Path) -> None:
    def write(place: Path, *rest: object) -> None:
        if place in refused:
            raise HaikuError("The disk is full.")
        write_session(place, *rest)

    monkeypatch.setattr(session_store, "write_session", write)


def test_a_full_disk_leaves_the_session_in_place(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch, store.place)
    with pytest.raises(HaikuError, match="full"):
        store.replace({"names": {"first": "Nest"}}, {}, OF)
    assert read_session(store.place).parts == {"names": {"first": "Nest"}}
    assert [path for path in store.place.parent.iterdir() if "until" in path.name] == []


@pytest.mark.parametrize("which", ["aside", "place"])
def test_what_was_set_aside_outlives_a_full_disk(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    before, copy = {"names": {"first": "Nest"}}, {"names": {"first": "Copy"}}
    aside = store.replace(before, copy, OF)
    full_disk(monkeypatch, aside if which == "aside" else store.place)
    with pytest.raises(HaikuError, match="full"):
        store.replace({"names": {"first": "Nest", "second": "Stroma"}}, copy, OF, aside)
    assert read_session(aside).parts["names"]["first"] == "Nest"
    assert read_session(store.place).parts == copy
