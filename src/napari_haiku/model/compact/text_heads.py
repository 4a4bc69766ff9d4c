"""Text heads refitted on bootstraps of the training patients: how far chance reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.text_length import unit_captions
from napari_haiku.storage import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "text_heads.safetensors"


@dataclass(frozen=True)
class TextHeads:
    """Linear heads over the features of a caption, one a bootstrap.

    Parameters
    ----------
    weight : ndarray of float16, shape (heads, dim, features)
    bias : ndarray of float16, shape (heads, dim)
    filled : bool
        Whether captions are filled up to length 1, as those of the model.
    """

    weight: NDArray[np.float16]
    bias: NDArray[np.float16]
    filled: bool = False

    def __len__(self) -> int:
        """Return the number of heads."""
        return len(self.weight)

    def read(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return unit vectors of captions under every head, shape (heads, n, dim)."""
        rows = np.stack(
            [
                features @ weight.astype(np.float32).T + bias.astype(np.float32)
                for weight, bias in zip(self.weight, self.bias, strict=True)
            ]
        )
        return np.asarray(unit_captions(torch.from_numpy(rows), filled=self.filled), np.float32)

    def save(self, folder: Path) -> None:
        """Write the heads beside the model."""
        arrays = {"weight": np.ascontiguousarray(self.weight), "bias": self.bias}
        write_bytes(folder / FILE, save_arrays(arrays))

    @classmethod
    def load(
        cls, folder: Path, features: int, dim: int, *, filled: bool = False
    ) -> TextHeads | None:
        """Open the heads of a model folder; None where it has none.

        Raises
        ------
        HaikuError
            The file is broken or belongs to another model.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            arrays = load_arrays(file.read_bytes())
            weight, bias = arrays["weight"], arrays["bias"]
        except (SafetensorError, KeyError) as error:
            raise HaikuError(
                f"{FILE} in the model folder {folder.name} cannot be read: copy it again."
            ) from error
        if weight.shape != (len(bias), dim, features) or bias.shape != (len(weight), dim):
            raise HaikuError(
                f"{FILE} in the model folder {folder.name} belongs to another model: "
                "copy the model folder again."
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise HaikuError(
                f"{FILE} in the model folder {folder.name} holds values that are no numbers: "
                "copy the model folder again."
            )
        return cls(weight, bias, filled)
