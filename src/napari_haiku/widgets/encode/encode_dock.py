"""The Encode dock: which images, which markers, which record, how, and go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QInputDialog, QLabel, QPushButton
from superqt import QElidingLabel

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides import encode_preview, slide_layers
from napari_haiku.viewer.slides.encoding_place import encoding_place, free_place, stem_of
from napari_haiku.widgets.encode import encode_words
from napari_haiku.widgets.encode.how_form import HowForm
from napari_haiku.widgets.encode.pixel_size import MISSING
from napari_haiku.widgets.encode.record_form import RecordForm, privacy_note
from napari_haiku.widgets.encode.slide_section import SlideSection
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH
from napari_haiku.widgets.frame.dock import HaikuDock, Need
from napari_haiku.widgets.frame.jobs import Failure, failure_of
from napari_haiku.widgets.frame.navigation import ENCODE, NEXT, SIMILAR
from napari_haiku.widgets.frame.preferences import preferences

if TYPE_CHECKING:
    from napari_haiku.encoding.request import EncodeRequest, EncodeResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Progress
    from napari_haiku.model.base import TissueModel
    from napari_haiku.viewer.slides.encode_preview import Preview

_SETTLE_MS = 150
_FILL_EVERY = 128


class EncodeDock(HaikuDock):
    """Turns the slide in view into patches that can be compared."""

    title: ClassVar[str] = ENCODE
    needs: ClassVar[tuple[Need, ...]] = ("slide",)

    def build(self) -> None:
        """Lay out slide, markers, record and how."""
        self._preview: Preview | None = None
        self._place: tuple[Path, bool] | None = None
        self._chosen_place: Path | None = None
        self._model_asked: tuple[str, str] | None = None
        self._filled = 0
        self.slide = SlideSection(self)
        self.form = RecordForm()
        self.how = HowForm()
        self.how.set_device(preferences().device)
        self.output = QElidingLabel()
        self.output.setProperty("haiku", "secondary")
        choose = QPushButton("Choose...")
        choose.setToolTip("Choose the folder the encoding goes into.")
        self.heading("Slide")
        self.body.addWidget(self.slide)
        self.heading("Clinical record", self.form.buttons)
        self.body.addWidget(self.form)
        self.body.addWidget(privacy_note())
        self.heading("How")
        self.body.addWidget(self.how)
        line = QHBoxLayout()
        name = QLabel("Saved to")
        name.setFixedWidth(LABEL_WIDTH)
        line.addWidget(name)
        line.addWidget(self.output, 1)
        line.addWidget(choose)
        self.body.addLayout(line)
        self.body.addStretch(1)
        self.again = self.add_secondary(
            "Encode again", self._encode_again, tooltip="Encode into a new place; nothing is lost."
        )
        self.again.hide()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._prepare)
        self.form.changed.connect(self._change_record)
        self.form.file_wanted.connect(self._choose_record)
        self.form.failed.connect(lambda text: self.strip.say("failed", text))
        self.how.model_changed.connect(self._settle.start)
        self.how.geometry_changed.connect(self._settle.start)
        choose.clicked.connect(lambda _checked=False: self._choose_place())
        events = self.workspace.events
        for signal in (events.he, events.mif):
            self.follow(signal, self._show_slide)
        self.follow(events.record, self._record_changed)
        self.follow(events.atlas, lambda _atlas: self._offer_atlas_fields())
        self.form.set_record(self.workspace.record)
        self._offer_atlas_fields()
        self._settle.start()

    def on_state(self) -> None:
        """Name the blue button for what comes next."""
        encoding = self.workspace.encoding
        if self.is_running("main"):
            self.set_primary("Encode", enabled=False, tooltip="Encoding is under way.")
        elif encoding is not None:
            self.set_primary(
                f"Find similar tissue {NEXT}", tooltip="Go to the Similar tissue dock."
            )
        elif self._preview is not None and self._preview.done:
            self.set_primary("Resume", tooltip="Goes on where it stopped.")
        else:
            ready = self._preview is not None and not self._preview.conflict
            self.set_primary(
                "Encode",
                enabled=ready,
                tooltip="Starts; you may close the slide and carry on later.",
            )
        self.again.setVisible(encoding is not None and not self.is_running("main"))

    @property
    def ready(self) -> bool:
        """Whether the tissue was found and nothing is under way."""
        return self._preview is not None and not self._settle.isActive() and not self.is_running()

    def press_primary(self) -> None:
        """Encode, or hand over to Similar tissue."""
        if self.workspace.encoding is not None:
            self.go_to(SIMILAR)
        else:
            self.encode()

    def _show_slide(self, *_: object) -> None:
        self._chosen_place = None
        self._preview = None
        self._settle.start()

    # -- the record -------------------------------------------------------------------------------

    def _change_record(self) -> None:
        self.workspace.record = self.form.record()

    def _record_changed(self, record: dict[str, str]) -> None:
        self.form.set_record(record)
        self._settle.start()

    def _choose_record(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Clinical record", "", "Records (*.json *.csv *.tsv *.txt)"
        )
        if chosen:
            self.read_record(Path(chosen))

    def read_record(self, path: Path, patient: str | None = None) -> None:
        """Fill the form from a JSON file or a table with one row per patient."""
        from napari_haiku.clinical import read_record

        def ask(failure: Failure) -> None:
            if patient is None and failure.details is None and "patient" in failure.sentence:
                name, accepted = QInputDialog.getText(self, "Which patient?", failure.sentence)
                if accepted and name.strip():
                    self.read_record(path, name.strip())

        self.run(
            lambda: read_record(path, patient),
            self._take_record,
            "Reading the record",
            on_failure=ask,
            lane="record",
        )

    def _take_record(self, record: dict[str, str]) -> None:
        self.workspace.record = record

    def _offer_atlas_fields(self) -> None:
        atlas = self.workspace.atlas
        if atlas is not None:
            self.form.set_known({field: list(atlas.values_of(field)) for field in atlas.fields})

    # -- before it starts -------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Load the model where needed, then find the tissue and estimate the work."""
        if self.is_running("main"):
            return
        self._preview = None
        workspace = self.workspace
        if not workspace.has_slide:
            self.on_state()
            return
        images = [image for image in (workspace.he, workspace.mif) if image is not None]
        if any(image.pixel_size_um is None for image in images):
            self.strip.say("caution", MISSING, key="pixel size")
            self.on_state()
            return
        self.strip.clear("pixel size")
        asked = (self.how.model_name, self.how.device_name)
        if workspace.model is None or self._model_asked not in (asked, None):
            self._load_model(asked)
            return
        self._model_asked = asked
        self._describe_model(workspace.model)
        try:
            request = self.request()
        except HaikuError as error:
            self.show_failure(failure_of(error))
            self.on_state()
            return
        self.output.setText(str(request.output))
        self.output.setToolTip(str(request.output))
        encoding = workspace.encoding
        self.run(
            encode_preview.preview(request, workspace.model),
            lambda preview: self._show_preview(preview, encoding),
            "Looking for tissue",
            lane="preview",
        )

    def _load_model(self, asked: tuple[str, str]) -> None:
        from napari_haiku.model.loading import load_model

        def loaded(model: TissueModel) -> None:
            self._model_asked = asked
            self.workspace.model = model
            self._prepare()

        name, device = asked
        self.run(
            lambda: load_model(name, device=device), loaded, "Loading the model", lane="preview"
        )

    def _describe_model(self, model: TissueModel) -> None:
        self.how.describe_model(model.name, model.device.label, model.device.why_not_gpu)

    def request(self) -> EncodeRequest:
        """Describe what would be encoded now.

        Raises
        ------
        HaikuError
            The slide cannot be encoded as it stands.
        """
        from napari_haiku.encoding.request import EncodeRequest

        he, mif = self.workspace.he, self.workspace.mif
        settings = preferences()
        self._place = encoding_place(he, mif, settings.cache)
        if self._chosen_place is not None:
            beside = self._chosen_place.parent == self._place[0].parent and self._place[1]
            self._place = (self._chosen_place, beside)
        image = he or mif
        return EncodeRequest(
            he=he,
            mif=mif,
            output=self._place[0],
            slide_id=stem_of(image.name) if image is not None else "",
            record=dict(self.workspace.record),
            patch_um=self.how.patch.value(),
            stride_um=self.how.step.value(),
            batch_size=settings.batch_size,
        )

    def _show_preview(self, preview: Preview, asked_with: Encoding | None) -> None:
        self._preview = preview
        if preview.found is not None:
            current = self.workspace.encoding
            if current is None or current.path != preview.found.path:
                self._open(preview.found)
            changed = datetime.fromtimestamp(preview.found.path.stat().st_mtime)
            if asked_with is None:
                self.strip.say("done", encode_words.found(changed))
        elif self.workspace.encoding is not None:
            self.strip.say(
                "caution",
                "Settings changed since this encoding.",
                actions=[("Encode again", self._encode_again)],
                key="stale",
            )
        elif preview.conflict:
            self.strip.say(
                "caution",
                preview.conflict,
                actions=[
                    ("Encode again", self._encode_again),
                    ("Open the old one", self._open_old),
                ],
            )
        else:
            text = (
                encode_words.resumable(preview)
                if preview.done
                else encode_words.estimate(preview, self._where())
            )
            self.strip.say("running", text, key="estimate")
        if self.workspace.encoding is None:
            slide_layers.show_patches(self.viewer, preview.grid, done=preview.done or None)
        self.on_state()

    def _where(self) -> str:
        if self._place is None or self._place[1]:
            return "beside the image"
        return f"in the folder {self._place[0].parent.name}"

    def _choose_place(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the encoding")
        if chosen and self._place is not None:
            self.save_to(Path(chosen) / self._place[0].name)

    def save_to(self, path: Path) -> None:
        """Choose where the encoding goes."""
        self._chosen_place = path
        self._settle.start()

    # -- encoding ---------------------------------------------------------------------------------

    def encode(self) -> None:
        """Start or resume."""
        from napari_haiku.encoding.pipeline import encode_slide

        model, shown = self.workspace.model, self._preview
        if model is None or shown is None:
            return
        request = shown.request
        slide = (self.workspace.he, self.workspace.mif)
        self._filled = -_FILL_EVERY
        self.run(
            encode_slide(request, model),
            lambda result: self._finish(result, slide),
            "Encoding",
            on_progress=self._fill,
            on_failure=lambda _failure: self.on_state(),
            on_stopped=self._stopped,
        )
        self.on_state()

    def _encode_again(self) -> None:
        """Encode into a free place, so that nothing already saved is lost."""
        if self._place is not None:
            self._chosen_place = free_place(self._place[0])
        self.workspace.open_encoding(None)
        self.strip.clear()
        self._prepare()

    def _open_old(self) -> None:
        from napari_haiku.encoding.store import Encoding

        if self._place is None:
            return
        path = self._place[0]
        self.run(
            lambda: encode_preview.warmed(Encoding.open(path)), self._open, "Opening the encoding"
        )

    def _fill(self, progress: Progress) -> None:
        if self._preview is None or progress.doing != "Encoding":
            return
        if progress.done - self._filled >= _FILL_EVERY or progress.done == progress.total:
            self._filled = progress.done
            slide_layers.show_patches(self.viewer, self._preview.grid, done=progress.done)

    def _stopped(self, progress: Progress | None) -> None:
        if progress is not None and progress.total:
            text = encode_words.stopped(progress.done, progress.total)
        else:
            text = "Stopped before the first patch."
        self.strip.say("caution", text, actions=[("Resume", self.encode)])
        if self._preview is not None and progress is not None:
            self._preview = replace(self._preview, done=progress.done)
        self.on_state()

    def _finish(self, result: EncodeResult, slide: tuple[Any, Any]) -> None:
        from napari_haiku.encoding.store import Encoding

        def read() -> tuple[Encoding, int]:
            encoding = encode_preview.warmed(Encoding.open(result.path))
            size = sum(f.stat().st_size for f in result.path.rglob("*") if f.is_file())
            return encoding, size

        def show(answer: tuple[Encoding, int]) -> None:
            encoding, size = answer
            self.workspace.saved = result.path
            words = encode_words.finished(result, size, self._where())
            # The user may have opened another slide meanwhile; then nothing is put in its place.
            if slide == (self.workspace.he, self.workspace.mif):
                self._open(encoding)
                self.strip.say("done", words, bold="Encoded.")
            else:
                self.strip.say("done", words, bold=f"{encoding.slide_id} is encoded.")
            self.on_state()

        self.run(read, show, "Opening the encoding", quiet=True)

    def _open(self, encoding: Encoding) -> None:
        self.workspace.open_encoding(encoding)
        if self.workspace.record == {} and encoding.record:
            self.workspace.record = dict(encoding.record)
        slide_layers.show_patches(self.viewer, encoding.grid)
        self.on_state()
