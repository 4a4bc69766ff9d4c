"""What an objective is given: a batch of tissue, modality by modality."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ContrastiveBatch:
    """Row i of every modality shows the same tissue.

    Only `emb` is needed by every objective; an objective that needs more says
    so in its `needs`.

    Parameters
    ----------
    emb : dict of Tensor, each (B, D)
        Raw projections; objectives bring them to unit length.
    present : dict of bool Tensor, each (B,)
        Where a modality was measured; a modality that is not named is present
        everywhere. Absent rows of `emb` may hold anything.
    group : dict of integer Tensor, each (B,)
        ``"patient"``, ``"region"``, ``"text"`` (equal captions), ``"patch"``
        (captions of one patch), ``"class"`` (for `sepclr`: 1 is the target).
        A negative number stands for unknown, which equals nothing.
    queue : dict of Tensor, each (Q, D)
        Further negatives without a positive, for example of earlier batches.
    queue_group : dict of integer Tensor, each (Q,)
        Their groups.
    captions : Tensor (B, K, D), optional
        Several captions of each patch (`multi_positive`).
    perturbed : Tensor (B, D), optional
        Each row's caption with one field made wrong (`perturbed_text_negatives`).
    tokens : dict of Tensor, each (B, N, D)
        Local embeddings; a square grid in rows where an objective needs one.
    token_mask : dict of bool Tensor, each (B, N)
        Which tokens are real.
    coords : dict of Tensor, each (B, 4)
        x0, y0, x1, y1 of the token grid in um shared by the modalities.
    frozen : dict of Tensor, each (B, F) or (B, C, F)
        Features of frozen encoders; with a marker axis, of each marker apart.
    frozen_mask : dict of bool Tensor, each (B, C)
        Which markers the panel of a row has.
    teacher : dict of Tensor, each (B, D)
        Another view of the same rows: moving average, or the starting model.
    views : dict of Tensor, each (B, D)
        A second view of each modality (`intra_modal`).
    expression : Tensor (B, M), optional
        Log marker means of each patch.
    expression_mask : bool Tensor (B, M), optional
        Which of them were measured.
    place_expression : Tensor (B, N, M), optional
        Standardised marker means of the place of each H&E token; NaN where not
        measured.
    record : Tensor (B, L), optional
        Standardised fields of the patient's record; NaN where not known.
    progress : float
        Share of the run that is done.
    """

    emb: dict[str, Tensor]
    present: dict[str, Tensor] = field(default_factory=dict)
    group: dict[str, Tensor] = field(default_factory=dict)
    queue: dict[str, Tensor] = field(default_factory=dict)
    queue_group: dict[str, Tensor] = field(default_factory=dict)
    captions: Tensor | None = None
    perturbed: Tensor | None = None
    tokens: dict[str, Tensor] = field(default_factory=dict)
    token_mask: dict[str, Tensor] = field(default_factory=dict)
    coords: dict[str, Tensor] = field(default_factory=dict)
    frozen: dict[str, Tensor] = field(default_factory=dict)
    frozen_mask: dict[str, Tensor] = field(default_factory=dict)
    teacher: dict[str, Tensor] = field(default_factory=dict)
    views: dict[str, Tensor] = field(default_factory=dict)
    expression: Tensor | None = None
    expression_mask: Tensor | None = None
    place_expression: Tensor | None = None
    record: Tensor | None = None
    progress: float = 0.0

    def __post_init__(self) -> None:
        rows = {len(value) for value in self.emb.values()}
        if len(rows) != 1:
            raise ValueError("a batch needs modalities with the same number of rows")
        if len({value.shape[1:] for value in self.emb.values()}) != 1:
            raise ValueError("the embeddings of a batch differ in length")

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(next(iter(self.emb.values())))

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return next(iter(self.emb.values())).device

    def has(self, what: str) -> bool:
        """Whether an optional part was given, by the name of its field."""
        value = getattr(self, what)
        return bool(value) if isinstance(value, dict) else value is not None

    def rows_with(self, *modalities: str) -> Tensor:
        """Row numbers at which all of some modalities are present."""
        kept = torch.ones(self.size, dtype=torch.bool, device=self.device)
        for name in modalities:
            if name in self.present:
                kept = kept & self.present[name].bool()
        return kept.nonzero()[:, 0]

    def at_least_float32(self) -> ContrastiveBatch:
        """Copy in which half precision is raised to float32; wider types stay."""
        return replace(self, **{f.name: _raised(getattr(self, f.name)) for f in fields(self)})


def _raised(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _raised(item) for name, item in value.items()}
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    return value
