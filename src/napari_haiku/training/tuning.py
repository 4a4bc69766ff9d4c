"""Which parameters are tuned, by the beginnings of their names."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn


def begins(name: str, beginning: str) -> bool:
    """Whether a dotted name begins with whole parts: ``he.head`` begins ``he.head.0.weight``."""
    return name == beginning or name.startswith(f"{beginning}.")


def check_names(beginnings: Iterable[str], names: Sequence[str], setting: str) -> None:
    """Make sure that each beginning names a parameter.

    Raises
    ------
    HaikuError
        One does not; the closest that does is named.
    """
    for beginning in beginnings:
        if not any(begins(name, beginning) for name in names):
            raise HaikuError(
                f"'{setting}' names '{beginning}', which no parameter of the model begins with: "
                f"the closest is '{_closest(beginning, names)}'."
            )


def freeze_all_but(module: nn.Module, beginnings: Sequence[str]) -> None:
    """Freeze every parameter whose name begins with none of some names.

    Raises
    ------
    HaikuError
        A beginning names no parameter.
    """
    check_names(beginnings, [name for name, _ in module.named_parameters()], "tune")
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(any(begins(name, wanted) for wanted in beginnings))


def train_tuned(module: nn.Module) -> None:
    """Put a module into training mode, and what is frozen of it into the mode of use.

    A frozen batch norm would else go on changing with what it sees.
    """
    module.train()
    for part in module.modules():
        own = list(part.parameters())
        if own and not any(p.requires_grad for p in own):
            part.eval()


def is_frozen(module: nn.Module) -> bool:
    """Whether nothing in a module is tuned."""
    return not any(p.requires_grad for p in module.parameters())


def rate_of(name: str, rates: Mapping[str, float], default: float) -> float:
    """Learning rate of a parameter: of the longest beginning that fits."""
    fitting = [beginning for beginning in rates if begins(name, beginning)]
    return float(rates[max(fitting, key=len)]) if fitting else default


def _closest(beginning: str, names: Sequence[str]) -> str:
    known = dict.fromkeys(
        ".".join(parts[:length])
        for parts in (name.split(".") for name in names)
        for length in range(1, len(parts) + 1)
    )
    found = get_close_matches(beginning, known, 1, 0.0)
    return found[0] if found else names[0]
