"""What encoding one slide is asked to do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.clinical import Record, patient_of
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.base import TissueModel


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How finely tissue is cut into patches.

    Parameters
    ----------
    patch_um : float, optional
        Side of a patch in um; the tissue square that the model reads when absent.
    stride_um : float, optional
        Step from one patch to the next in um; one patch of the model when absent.
    min_tissue : float
        Least share of a patch that must be tissue, 0 to 1.
    batch_size : int, optional
        Patches per pass through the towers; by the device where absent.
    """

    patch_um: float | None = None
    stride_um: float | None = None
    min_tissue: float = 0.5
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("patch size", self.patch_um), ("step", self.stride_um)):
            if value is not None and not 0 < value < 1e6:
                raise HaikuError(f"The {name} must be a positive number of um, not {value}.")
        if not 0 <= self.min_tissue <= 1:
            raise HaikuError(
                f"The least share of tissue must lie between 0 and 1, not {self.min_tissue}."
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise HaikuError(f"The batch size must be at least 1, not {self.batch_size}.")

    def sides_um(self, model: TissueModel) -> tuple[float, float]:
        """Patch side and step in um, as asked for or else as `model` reads tissue."""
        # A product of pixels and pixel size ends in noise that would be read as another size.
        own = round(model.patch_um, 6)
        patch = own if self.patch_um is None else self.patch_um
        step = own if self.stride_um is None else self.stride_um
        return float(patch), float(step)


@dataclass(frozen=True, kw_only=True)
class EncodeRequest(EncodeOptions):
    """One slide to encode; how finely, see :class:`EncodeOptions`.

    Parameters
    ----------
    he, mif : SlideImage, optional
        The images of the section; at least one.
    output : Path
        Folder of the encoding; resumed when it is there already.
    slide_id : str
        Name of the slide.
    record : dict of str to str
        Clinical record in caption order.
    patient_id : str
        Patient; read from the record where it is empty.
    region_um : tuple of float, optional
        (x0, y0, x1, y1): keep only patches whose centre lies inside.
    tissue_threshold : float, optional
        Where tissue begins, instead of the threshold found on the image.

    Raises
    ------
    HaikuError
        No image, no pixel size, an mIF without marker names.
    """

    he: SlideImage | None = None
    mif: SlideImage | None = None
    output: Path
    slide_id: str
    record: Record = field(default_factory=dict)
    patient_id: str = ""
    region_um: tuple[float, float, float, float] | None = None
    tissue_threshold: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.he is None and self.mif is None:
            raise HaikuError(
                "There is nothing to encode: choose an H&E image, an mIF image or both."
            )
        for image, modality in ((self.he, "he"), (self.mif, "mif")):
            if image is None:
                continue
            if image.modality != modality:
                words = {"he": "H&E", "mif": "mIF"}
                raise HaikuError(
                    f"{image.name} is read as {words[image.modality]} but was given as "
                    f"{words[modality]}: check which image is which."
                )
            if image.known_pixel_size_um <= 0:
                raise HaikuError(f"The pixel size of {image.name} must be a positive number of um.")
        if self.mif is not None:
            self.mif.require_named_channels()
            if not self.mif.used_markers:
                raise HaikuError(
                    f"No channel of {self.mif.name} carries a marker: name at least one channel."
                )
        if not self.slide_id.strip():
            raise HaikuError("The slide has no id: give it a name.")

    @property
    def patient(self) -> str:
        """The patient, from the request or else from the record; "" when unknown."""
        return self.patient_id or patient_of(self.record) or ""


@dataclass(frozen=True)
class EncodeResult:
    """What encoding one slide left.

    Parameters
    ----------
    path : Path
        The encoding.
    patches : int
        Patches in it.
    markers : tuple of str
        Markers measured.
    patch_um : float
        Side of a patch in um.
    resumed_from : int
        Patches that were there already.
    seconds : mapping
        Time per step, ``total`` by the clock; steps run side by side, so that
        they may add up to more.
    notes : tuple of str
        Sentences for the user, such as channels left out.
    """

    path: Path
    patches: int
    markers: tuple[str, ...]
    patch_um: float
    resumed_from: int
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
