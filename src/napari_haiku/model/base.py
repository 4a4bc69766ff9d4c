"""What every model offers: patches, captions and records in, unit vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_haiku.clinical import Record, caption
from napari_haiku.errors import HaikuError
from napari_haiku.model.scaling import ChannelScaling, fit_scaling
from napari_haiku.model.searched_words import checked_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from napari_haiku.model.devices import Device

Vectors = NDArray[np.float32]


class TissueModel(ABC):
    """Towers that place patches of tissue and captions in one space.

    Attributes
    ----------
    name : str
        Short name shown to the user.
    fingerprint : str
        Hash of configuration and weights; encodings and atlases remember it.
    dim : int
        Length of an embedding.
    modalities : frozenset of str
        Which of ``"he"``, ``"mif"``, ``"text"`` the model can encode.
    shared_space : bool
        Whether the modalities can be compared with each other.
    pixel_size_um : float
        Pixel size at which the towers read tissue; patches are resampled to it.
    patch_px : int
        Side of a patch in pixels of that size.
    n_text_heads : int
        Text heads refitted on bootstraps of the training patients; 0 where the
        model ships none.
    any_patch_size : bool
        Whether patches of any size can be read; else one of :attr:`patch_um` is.
    card : mapping
        Where the model comes from: licence, credit, training images.
    device : Device
        Where the work is done.
    """

    name: str
    fingerprint: str
    dim: int
    modalities: frozenset[str]
    shared_space: bool
    pixel_size_um: float
    patch_px: int
    n_text_heads: int = 0
    any_patch_size: bool = True
    card: Mapping[str, Any]
    device: Device

    @property
    def patch_um(self) -> float:
        """Side of the tissue square that one vector describes, in um."""
        return self.pixel_size_um * self.patch_px

    def read_um(self, modality: str) -> float:
        """Pixel size (um) at which patches of a modality are to be read, or finer."""
        del modality
        return self.pixel_size_um

    def encode_he(
        self, patches: NDArray[np.uint8], pixel_size: float, *, batch_size: int = 64
    ) -> Vectors:
        """Encode H&E patches.

        Parameters
        ----------
        patches : ndarray of uint8, shape (n, h, w, 3)
            RGB patches.
        pixel_size : float
            Their pixel size in um.
        batch_size : int
            Patches per forward pass.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Unit rows.

        Raises
        ------
        HaikuError
            The model has no H&E tower or the patches are not RGB uint8.
        """
        self._need("he")
        patches = np.asarray(patches)
        if patches.ndim != 4 or patches.shape[-1] != 3 or patches.dtype != np.uint8:
            raise HaikuError(
                "H&E patches must be uint8 of shape (n, height, width, 3), "
                f"not {patches.dtype} of shape {patches.shape}."
            )
        _check_pixel_size(pixel_size)
        return self._batched(
            len(patches),
            batch_size,
            lambda rows: self._he_vectors(patches[rows], float(pixel_size)),
        )

    def encode_mif(
        self,
        patches: NDArray[Any],
        markers: Sequence[str],
        pixel_size: float,
        *,
        scaling: ChannelScaling | None = None,
        batch_size: int = 64,
    ) -> Vectors:
        """Encode mIF patches of any panel.

        Parameters
        ----------
        patches : ndarray, shape (n, c, h, w)
            Stored intensities.
        markers : sequence of str, length c
            Canonical marker names.
        pixel_size : float
            Pixel size in um.
        scaling : ChannelScaling, optional
            Intensity range of each channel over the slide. Without it the range
            is taken from the patches given.
        batch_size : int
            Patches per forward pass.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Unit rows.

        Raises
        ------
        HaikuError
            The model has no mIF tower, or names and channels differ in number.
        """
        self._need("mif")
        patches = np.asarray(patches)
        if patches.ndim != 4:
            raise HaikuError(
                f"mIF patches must have shape (n, channels, height, width), not {patches.shape}."
            )
        if patches.shape[1] != len(markers):
            raise HaikuError(
                f"The mIF patches have {patches.shape[1]} channels but {len(markers)} marker "
                "names: give one name for each channel."
            )
        if not markers:
            raise HaikuError("The mIF patches have no marker: name at least one channel.")
        _check_pixel_size(pixel_size)
        if scaling is None and len(patches):
            scaling = self.fit_scaling(np.moveaxis(patches, 1, 0).reshape(len(markers), -1), None)
        return self._batched(
            len(patches),
            batch_size,
            lambda rows: self._mif_vectors(
                patches[rows], tuple(markers), float(pixel_size), scaling
            ),
        )

    def encode_text(self, captions: Sequence[str], *, batch_size: int = 64) -> Vectors:
        """Encode captions.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Unit rows.

        Raises
        ------
        HaikuError
            The model has no text tower.
        """
        self._need("text")
        if isinstance(captions, str):
            raise HaikuError("Give the captions as a list of sentences, not as one sentence.")
        texts = [str(text) for text in captions]
        return self._batched(len(texts), batch_size, lambda rows: self._text_vectors(texts[rows]))

    def encode_text_heads(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Encode captions with every refitted text head.

        How far these vectors lie apart is what chance in the training patients
        does to a caption.

        Parameters
        ----------
        captions : sequence of str

        Returns
        -------
        ndarray of float32, shape (heads, n, dim)
            Unit rows.

        Raises
        ------
        HaikuError
            The model ships no such heads.
        """
        self._need("text")
        if not self.n_text_heads:
            raise HaikuError(
                f"The model {self.name} ships no text heads refitted on other patients: choose "
                "a model that does, or train one with text_heads in its recipe."
            )
        return self._text_head_vectors([str(text) for text in captions])

    def encode_record(self, record: Record) -> NDArray[np.float32]:
        """Encode a clinical record through its caption; shape (dim,)."""
        vector: NDArray[np.float32] = self.encode_text([caption(record)])[0]
        return vector

    def encode_words(self, text: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Encode what a person typed, leaving out the words the model never read.

        Returns
        -------
        ndarray of float32, shape (dim,)
        tuple of str
            The words left out.

        Raises
        ------
        HaikuError
            No word is known, or only such as say nothing of tissue (the, of, at, ...).
        """
        unknown = self.unknown_words(text)
        known = checked_words(text, unknown)
        return self.encode_text([" ".join(known)])[0], unknown

    def fit_scaling(self, overview: NDArray[Any], mask: NDArray[np.bool_] | None) -> ChannelScaling:
        """Intensity range of each channel over a slide, by this model's rule.

        Parameters
        ----------
        overview : ndarray, shape (c, y, x) or (c, pixels)
            A coarse level of the slide.
        mask : ndarray of bool, shape (y, x), optional
            Tissue; the range is read there.
        """
        return fit_scaling(overview, mask)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of `text` that the text tower has never read."""
        return ()

    def unknown_markers(self, markers: Sequence[str]) -> tuple[str, ...]:
        """Markers of a panel that the mIF tower has never seen, by name."""
        return ()

    @abstractmethod
    def _he_vectors(self, patches: NDArray[np.uint8], pixel_size: float) -> torch.Tensor: ...

    @abstractmethod
    def _mif_vectors(
        self,
        patches: NDArray[Any],
        markers: tuple[str, ...],
        pixel_size: float,
        scaling: ChannelScaling | None,
    ) -> torch.Tensor: ...

    @abstractmethod
    def _text_vectors(self, captions: list[str]) -> torch.Tensor: ...

    def _text_head_vectors(self, captions: list[str]) -> NDArray[np.float32]:
        raise HaikuError(f"The model {self.name} ships no refitted text heads.")

    def _need(self, modality: str) -> None:
        if modality not in self.modalities:
            words = {"he": "H&E", "mif": "mIF", "text": "text"}
            raise HaikuError(
                f"The model {self.name} has no {words[modality]} tower: choose another model."
            )

    def _batched(self, n: int, batch_size: int, encode: Callable[[slice], torch.Tensor]) -> Vectors:
        import torch

        if batch_size < 1:
            raise HaikuError(f"The batch size must be at least 1, not {batch_size}.")
        out = np.empty((n, self.dim), np.float32)
        with torch.inference_mode():
            for start in range(0, n, batch_size):
                rows = slice(start, min(start + batch_size, n))
                out[rows] = encode(rows).float().cpu().numpy()
        return out


def _check_pixel_size(pixel_size: float) -> None:
    if not np.isfinite(pixel_size) or pixel_size <= 0:
        raise HaikuError(f"The pixel size must be a positive number of um, not {pixel_size}.")
