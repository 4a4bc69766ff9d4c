"""The Encode dock: which images, which markers, which record, how, and go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton
from superqt import QElidingLabel

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session.folder import session_place
from napari_haiku.viewer.slides import encode_preview, slide_layers
from napari_haiku.viewer.slides.encoding_place import encoding_place, free_place, stem_of
from napari_haiku.widgets.encode import encode_words
from napari_haiku.widgets.encode.encoding_anew import EncodingAnew
from napari_haiku.widgets.encode.how_form import HowForm, what_is_known
from napari_haiku.widgets.encode.pixel_size import MISSING
from napari_haiku.widgets.encode.record_section import RecordSection
from napari_haiku.widgets.encode.slide_section import SlideSection
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH
from napari_haiku.widgets.frame.dock import HaikuDock, Need
from napari_haiku.widgets.frame.jobs import failure_of
from napari_haiku.widgets.frame.navigation import ENCODE, NEXT, SIMILAR
from napari_haiku.widgets.frame.preferences import preferences

if TYPE_CHECKING:
    from napari_haiku.encoding.request import EncodeRequest, EncodeResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Progress
    from napari_haiku.model.base import TissueModel
    from napari_haiku.viewer.slides.encode_preview import Preview
    from napari_haiku.widgets.frame.jobs import Failure

_SETTLE_MS = 150
_FILL_EVERY = 128


class EncodeDock(HaikuDock):
    """Turns the slide in view into patches that can be compared."""

    title: ClassVar[str] = ENCODE
    needs: ClassVar[tuple[Need, ...]] = ("slide",)
    restores_early: ClassVar[bool] = True

    def build(self) -> None:
        """Lay out slide, markers, record and how."""
        self._preview: Preview | None = None
        self._place: tuple[Path, bool] | None = None
        self._chosen_place: Path | None = None
        self._model_asked: tuple[str, str] | None = None
        self._filled = 0
        self.anew = EncodingAnew(self.workspace)
        self.slide = SlideSection(self)
        self.record = RecordSection(self)
        self.form = self.record.form
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
        self.body.addWidget(self.record.note)
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
            "Encode again", self._encode_again, tooltip="Encode into a new place; this one stays."
        )
        self.again.hide()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._prepare)
        self.how.model_changed.connect(self._settle.start)
        self.how.geometry_changed.connect(self._settle.start)
        choose.clicked.connect(lambda _checked=False: self._choose_place())
        events = self.workspace.events
        for signal in (events.he, events.mif):
            self.follow(signal, self._show_slide)
        self.follow(events.record, lambda _record: self._prepare_unless_encoded())
        self.run(what_is_known, self._show_known, "Looking at models", lane="known", quiet=True)
        self._settle.start()

    def on_state(self) -> None:
        """Name the blue button for what comes next."""
        if self.is_running("main"):
            self.set_primary("Encode", enabled=False, tooltip="Encoding is under way.")
        elif not self.anew.to_encode:
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
        self.again.setVisible(not self.anew.to_encode and not self.is_running("main"))

    @property
    def ready(self) -> bool:
        """Whether the tissue was found and nothing is under way."""
        return self._preview is not None and not self._settle.isActive() and not self.is_running()

    def press_primary(self) -> None:
        """Encode, or hand over to Similar tissue."""
        if self.anew.to_encode:
            self.encode()
        else:
            self.go_to(SIMILAR)

    def _show_slide(self, *_: object) -> None:
        self._chosen_place = self.anew.place_of(self._chosen_place)
        if self.workspace.encoding is None:
            self.anew.end()
        self._preview = None
        self._settle.start()

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
        if workspace.encoding is None:
            place = encoding_place(workspace.he, workspace.mif, preferences().cache)[0]
            # What was typed or drawn at an earlier visit comes back before tissue is looked for.
            workspace.session.put(session_place(self._chosen_place or place))
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
        self.how.describe_model(workspace.model)
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

    def _prepare_unless_encoded(self) -> None:
        if self.anew.to_encode:
            self._settle.start()

    def _show_known(self, known: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
        reasons, models = known
        self.how.show_why_not(reasons)
        self.how.show_known_models(models)

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
            patch_um=self.how.patch_um,
            stride_um=self.how.step_um,
            batch_size=settings.batch_size,
        )

    def _show_preview(self, preview: Preview, asked_with: Encoding | None) -> None:
        self._preview = preview
        if preview.found is not None:
            current = self.workspace.encoding
            if current is None or current.path != preview.found.path:
                self._open(preview.found)
            changed = datetime.fromtimestamp(preview.found.path.stat().st_mtime)
            if preview.other_record and self.record.differs(preview.found):
                self.record.ask()
            elif asked_with is None:
                self.strip.say("done", encode_words.found(changed))
        elif not self.anew.to_encode:
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
                    *(self.anew.actions(self._back) or [("Open the old one", self._open_old)]),
                ],
            )
        else:
            self._say_estimate(preview)
        if self.workspace.encoding is None:
            slide_layers.show_patches(self.viewer, preview.grid, done=preview.done or None)
        self.on_state()

    def _say_estimate(self, preview: Preview) -> None:
        state, text = encode_words.outlook(preview, self._where())
        actions = self.anew.actions(self._back)
        if state == "caution":
            actions.insert(0, ("Choose folder...", self._choose_place))
        self.strip.say(state, text, actions=actions, key="estimate")

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
        model, shown = self.workspace.model, self._preview
        if model is None or shown is None:
            return
        request = shown.request
        slide = (self.workspace.he, self.workspace.mif)
        self._filled = -_FILL_EVERY
        self.run(
            encode_preview.encode_or_resume(request, model, other_record=shown.other_record),
            lambda result: self._finish(result, slide),
            "Encoding",
            on_progress=self._fill,
            on_failure=self._failed,
            on_stopped=self._stopped,
        )
        self.on_state()

    def _encode_again(self) -> None:
        """Encode into a free place, so that nothing already saved is lost."""
        if self._place is not None:
            self._chosen_place = free_place(self._place[0])
        self.anew.begin()
        self.strip.clear()
        self._prepare()

    def _back(self, earlier: Encoding) -> None:
        """Leave the new encoding, and go on with the one that was there before."""
        self.anew.end()
        self._chosen_place = earlier.path
        self.strip.clear()
        current = self.workspace.encoding
        if current is None or current.path != earlier.path:
            self._open(earlier)
        self._prepare()

    def _open_old(self) -> None:
        if self._place is None:
            return
        path, read = self._place[0], encode_preview.opened_with_size
        self.run(lambda: read(path)[0], self._open, "Opening the encoding")

    def _fill(self, progress: Progress) -> None:
        # The earlier encoding and its results stay in view until the new one is finished.
        if self._preview is None or progress.doing != "Encoding" or self.anew.wanted:
            return
        if progress.done - self._filled >= _FILL_EVERY or progress.done == progress.total:
            self._filled = progress.done
            slide_layers.show_patches(self.viewer, self._preview.grid, done=progress.done)

    def _failed(self, failure: Failure) -> None:
        if self.anew.wanted:
            actions = [("Try again", self.encode), *self.anew.actions(self._back)]
            self.strip.say("failed", failure.sentence, actions=actions, details=failure.details)
        self.on_state()

    def _stopped(self, progress: Progress | None) -> None:
        if progress is not None and progress.total:
            text = encode_words.stopped(progress.done, progress.total)
        else:
            text = "Stopped before the first patch."
        actions = [("Resume", self.encode), *self.anew.actions(self._back)]
        self.strip.say("caution", text, actions=actions)
        if self._preview is not None and progress is not None:
            self._preview = replace(self._preview, done=progress.done)
        self.on_state()

    def _finish(self, result: EncodeResult, slide: tuple[Any, Any]) -> None:
        def show(answer: tuple[Encoding, int]) -> None:
            encoding, size = answer
            self.workspace.saved = result.path
            words = encode_words.finished(result, size, self._where())
            # The user may have opened another slide meanwhile; then nothing is put in its place.
            if slide == (self.workspace.he, self.workspace.mif):
                self._open(encoding)
                actions = self.anew.actions(self._back)
                self.strip.say("done", words, bold="Encoded.", actions=actions)
            else:
                self.strip.say("done", words, bold=f"{encoding.slide_id} is encoded.")
            self.on_state()

        read = encode_preview.opened_with_size
        self.run(lambda: read(result.path), show, "Opening the encoding", quiet=True)

    # -- between two visits -----------------------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Keep what the files do not say: pixel sizes, markers, sizes of the patches."""
        return {
            **self.slide.state(),
            "model": self.how.model_name,
            "patch_um": self.how.patch_um,
            "step_um": self.how.step_um,
        }

    def restore_session(self, state: dict[str, Any]) -> None:
        """Type again what was typed, unless the user has done so already."""
        self.slide.restore(state)
        self.how.set_sizes(state.get("patch_um"), state.get("step_um"))
        model = state.get("model")
        if model and model != self.how.model_name and Path(str(model)).is_dir():
            self.how.add_model(str(model))
        self._prepare_unless_encoded()

    def _open(self, encoding: Encoding) -> None:
        self.workspace.open_encoding(encoding)
        if self.workspace.record == {} and encoding.record:
            self.workspace.record = dict(encoding.record)
        slide_layers.show_patches(self.viewer, encoding.grid)
        self.on_state()
