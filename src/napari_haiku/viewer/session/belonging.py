"""Which encoding a session was saved for, so that a copy is opened over no other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.session.parts import State


@dataclass(frozen=True)
class Belonging:
    """What a session on disk knows of its encoding.

    Parameters
    ----------
    encoding : str
        Name of the encoding's folder.
    images : mapping
        Modality -> fingerprint of the image; empty where an earlier version
        of the program wrote the session.
    patches : int
        Number of patches; 0 where it is not known.
    patch_um, stride_um : float
        Side of a patch and distance to the next, in um.
    """

    encoding: str
    images: Mapping[str, str] = field(default_factory=dict)
    patches: int = 0
    patch_um: float = 0.0
    stride_um: float = 0.0

    @classmethod
    def of(cls, encoding: Encoding) -> Belonging:
        """Describe an encoding."""
        return cls(
            encoding.path.name,
            encoding.image_fingerprints,
            encoding.n_planned,
            encoding.patch_um,
            encoding.planned_grid.stride_um,
        )

    def to_state(self) -> State:
        """Give it as the session's file holds it."""
        return {
            "images": dict(self.images),
            "patches": self.patches,
            "patch_um": self.patch_um,
            "stride_um": self.stride_um,
        }

    @classmethod
    def from_state(cls, encoding: str, state: State) -> Belonging:
        """Take it back; what an earlier version did not write stays unknown."""
        return cls(
            encoding,
            {str(name): str(one) for name, one in (state.get("images") or {}).items()},
            int(state.get("patches") or 0),
            float(state.get("patch_um") or 0.0),
            float(state.get("stride_um") or 0.0),
        )

    def why_not(self, other: Belonging) -> str:
        """Say why a session of this encoding is none of another's; "" when it is.

        The same slide encoded by another model, or moved and renamed, keeps
        its session: niches, hits and drawings hang on patches and positions.
        """
        if not self.images:
            # Written before sessions knew more of their encoding than its name.
            same = self.encoding in ("", other.encoding)
        else:
            shared = self.images.keys() & other.images.keys()
            same = bool(shared) and all(self.images[name] == other.images[name] for name in shared)
        if not same:
            return f"it belongs to {self.encoding}, and {other.encoding} is in view"
        if self.patches and self._geometry != other._geometry:
            return (
                f"it was saved for {self._patches_in_words} ({self.encoding}), and "
                f"{other.encoding} has {other._patches_in_words}"
            )
        return ""

    @property
    def _geometry(self) -> tuple[int, float, float]:
        return (self.patches, self.patch_um, self.stride_um)

    @property
    def _patches_in_words(self) -> str:
        return f"{self.patches:,} patches of {self.patch_um:g} um"
