"""What the docks of one viewer share: the slide, its encoding and what was asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup

from napari_haiku.viewer.session.folder import session_place
from napari_haiku.viewer.session.parts import SessionParts

if TYPE_CHECKING:
    from pathlib import Path

    import napari

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.counterfactual.counterfactual import CounterfactualResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.atlas.search import Hits
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.base import TissueModel

T = TypeVar("T")


class WorkspaceEvents(SignalGroup):
    """One signal per field, emitted with the new value after it changed.

    ``record_read`` is emitted with the encoding whose record was read anew,
    ``glass`` is emitted with the distance (um) to the nearest patch when a
    click met no tissue, ``opened`` when another slide is in place and every
    result of the old one is gone.
    """

    he = Signal(object)
    mif = Signal(object)
    encoding = Signal(object)
    model = Signal(object)
    atlas = Signal(object)
    selection = Signal(object)
    region = Signal(object)
    hits = Signal(object)
    record = Signal(object)
    biomarkers = Signal(object)
    niches = Signal(object)
    counterfactual = Signal(object)
    marker = Signal(object)
    within_patient_um = Signal(object)
    saved = Signal(object)
    busy = Signal(object)
    glass = Signal(float)
    record_read = Signal(object)
    opened = Signal()


class _Field(Generic[T]):
    """An attribute that emits the signal of its own name when set to another value."""

    def __init__(self, default: T) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Field[T]: ...
    @overload
    def __get__(self, instance: Workspace, owner: type) -> T: ...
    def __get__(self, instance: Workspace | None, owner: type) -> _Field[T] | T:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self._name, self._default)
        return value

    def __set__(self, instance: Workspace, value: T) -> None:
        old = instance.__dict__.get(self._name, self._default)
        plain = (str, int, float, dict, tuple)
        # Slides, atlases and results hold arrays: only plain values are compared by content.
        if old is value or (isinstance(value, plain) and type(old) is type(value) and old == value):
            return
        instance.__dict__[self._name] = value
        getattr(instance.events, self._name).emit(value)


class Workspace:
    """State shared by the docks of one viewer; knows neither Qt nor the docks.

    Set and read on the main thread only.

    Attributes
    ----------
    he, mif : SlideImage or None
        Images of the slide in view.
    encoding : Encoding or None
        Encoding of that slide, complete or growing.
    model : TissueModel or None
        Model that encodes.
    atlas : Atlas or None
        Atlas the answers are read from.
    selection : int or None
        Row of the encoding that is ringed.
    region : tuple of int
        Rows of the encoding that were outlined to ask about, in place of one.
    hits : Hits or None
        Answer to the last search.
    record : dict
        Clinical record of the slide as typed, field -> value.
    biomarkers, niches, counterfactual : result or None
        Last results, each of the encoding in place.
    marker : str or None
        Marker in view; the docks propose it to each other.
    within_patient_um : float or None
        None: the slide's own patient is left out. A number: the same patient
        answers too, from patches at least so far away (um).
    saved : Path or None
        What was last written to disk.
    busy : str or None
        What is being done, in plain words.
    session : SessionParts
        Who wants what kept beside the encoding.
    """

    he: _Field[SlideImage | None] = _Field(None)
    mif: _Field[SlideImage | None] = _Field(None)
    encoding: _Field[Encoding | None] = _Field(None)
    model: _Field[TissueModel | None] = _Field(None)
    atlas: _Field[Atlas | None] = _Field(None)
    selection: _Field[int | None] = _Field(None)
    region: _Field[tuple[int, ...]] = _Field(())
    hits: _Field[Hits | None] = _Field(None)
    record: _Field[dict[str, str]] = _Field({})
    biomarkers: _Field[BiomarkerResult | None] = _Field(None)
    niches: _Field[NicheResult | None] = _Field(None)
    counterfactual: _Field[CounterfactualResult | None] = _Field(None)
    marker: _Field[str | None] = _Field(None)
    within_patient_um: _Field[float | None] = _Field(None)
    saved: _Field[Path | None] = _Field(None)
    busy: _Field[str | None] = _Field(None)

    def __init__(self) -> None:
        self.events = WorkspaceEvents(self)
        self.session = SessionParts()

    @property
    def has_slide(self) -> bool:
        """Whether an image is in place."""
        return self.he is not None or self.mif is not None

    def open_slide(self, he: SlideImage | None, mif: SlideImage | None) -> None:
        """Put another slide in place and drop what was said about the old one."""
        if he is self.he and mif is self.mif:
            return
        self.open_encoding(None)
        self.session.put(None)
        self.he = he
        self.mif = mif
        self.events.opened.emit()

    def open_encoding(self, encoding: Encoding | None) -> None:
        """Put an encoding in place and drop the results of the old one."""
        if encoding is self.encoding:
            return
        place = None if encoding is None else session_place(encoding.path)
        if place != self.session.place:
            # Saved while everything said about the slide is still there.
            self.session.put(None)
        self.selection = None
        self.region = ()
        self.hits = None
        self.biomarkers = None
        self.niches = None
        self.counterfactual = None
        if place is not None:
            self.session.put(place)
        self.encoding = encoding


_workspaces: WeakKeyDictionary[Any, Workspace] = WeakKeyDictionary()


def workspace_of(viewer: napari.Viewer) -> Workspace:
    """Give the workspace of a viewer, made at the first call.

    A plugin receives a short-lived proxy of the viewer; the workspace belongs
    to the viewer behind it.
    """
    real = getattr(viewer, "__wrapped__", viewer)
    if real not in _workspaces:
        _workspaces[real] = Workspace()
    return _workspaces[real]
