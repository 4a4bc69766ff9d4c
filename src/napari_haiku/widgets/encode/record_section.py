"""The clinical record in the Encode dock: typed, pasted, read from a file, read anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_haiku.clinical import public_record
from napari_haiku.viewer.slides.record_fields import offered_fields
from napari_haiku.widgets.encode.record_form import RecordForm, privacy_note

if TYPE_CHECKING:
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel
    from napari_haiku.widgets.frame.dock import HaikuDock
    from napari_haiku.widgets.frame.jobs import Failure

_SETTLE_MS = 600


class RecordSection:
    """Keeps form, workspace and encoding in agreement.

    Once the slide is encoded, another record only has the text read anew: the
    images stay as they are.

    Parameters
    ----------
    dock : HaikuDock
        The dock that does the work in its threads.
    """

    def __init__(self, dock: HaikuDock) -> None:
        self._dock = dock
        self.form = RecordForm()
        self.note = privacy_note()
        self._settle = QTimer(dock)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self.read_anew)
        self.form.changed.connect(self._change)
        self.form.file_wanted.connect(self._choose_file)
        self.form.failed.connect(lambda text: dock.strip.say("failed", text))
        events = dock.workspace.events
        dock.follow(events.record, self._changed)
        dock.follow(events.atlas, lambda _atlas: self._offer_atlas_fields())
        dock.follow(events.model, lambda _model: self._offer_atlas_fields())
        self.form.set_record(dock.workspace.record)
        self._offer_atlas_fields()

    def read_file(self, path: Path, patient: str | None = None) -> None:
        """Fill the form from a JSON file or a table with one row per patient."""
        from napari_haiku.clinical import read_record

        def ask(failure: Failure) -> None:
            if patient is None and failure.details is None and "patient" in failure.sentence:
                name, accepted = QInputDialog.getText(
                    self._dock, "Which patient?", failure.sentence
                )
                if accepted and name.strip():
                    self.read_file(path, name.strip())

        def take(record: dict[str, str]) -> None:
            self._dock.workspace.record = record

        self._dock.run(
            lambda: read_record(path, patient),
            take,
            "Reading the record",
            on_failure=ask,
            lane="record",
        )

    def differs(self, encoding: Encoding | None) -> bool:
        """Whether the record typed is another one than that of an encoding."""
        typed = public_record(self._dock.workspace.record)
        if encoding is None or not typed:
            return False
        return list(typed.items()) != list(encoding.record.items())

    def read_anew(self) -> None:
        """Have the text tower read the record typed, and store it with the encoding in place."""
        from napari_haiku.encoding.record_change import change_record

        workspace = self._dock.workspace
        encoding, model = workspace.encoding, workspace.model
        if encoding is None or not encoding.complete or not self.differs(encoding):
            return
        if model is None or model.fingerprint != encoding.model_fingerprint:
            self._load_model(encoding)
            return
        record = dict(workspace.record)

        def take(_caption: str) -> None:
            encoding.reread()
            if workspace.encoding is encoding:
                self._dock.strip.say(
                    "done", "The record was read anew; the images stay as they were encoded."
                )
                workspace.events.record_read.emit(encoding)

        self._dock.run(
            lambda: change_record(encoding.path, record, model),
            take,
            "Reading the record",
            lane="record",
        )

    def keep_old(self) -> None:
        """Go back to the record that the slide was encoded with."""
        encoding = self._dock.workspace.encoding
        if encoding is not None:
            self._dock.workspace.record = dict(encoding.record)
            self._dock.strip.clear()

    def ask(self) -> None:
        """Say that a slide was opened whose stored record differs, and offer both."""
        self._dock.strip.say(
            "caution",
            "The record differs from the one this slide was encoded with.",
            actions=[("Use the new record", self.read_anew), ("Keep the old one", self.keep_old)],
            key="record",
        )

    def _load_model(self, encoding: Encoding) -> None:
        from napari_haiku.widgets.similar.similar_words import model_for_words

        model = self._dock.workspace.model

        def loaded(found: TissueModel) -> None:
            self._dock.workspace.model = found
            self.read_anew()

        self._dock.run(
            lambda: model_for_words(model, encoding.model_fingerprint),
            loaded,
            "Loading the model",
            lane="record",
        )

    def _change(self) -> None:
        self._dock.workspace.record = self.form.record()

    def _changed(self, record: dict[str, str]) -> None:
        self.form.set_record(record)
        encoding = self._dock.workspace.encoding
        if encoding is not None and self.differs(encoding):
            self._settle.start()

    def _choose_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self._dock, "Clinical record", "", "Records (*.json *.csv *.tsv *.txt)"
        )
        if chosen:
            self.read_file(Path(chosen))

    def _offer_atlas_fields(self) -> None:
        atlas = self._dock.workspace.atlas
        if atlas is not None:
            offered = offered_fields(atlas.fields, self._dock.workspace.model)
            self.form.set_known({field: list(atlas.values_of(field)) for field in offered})
