"""What a training run is asked to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.config import MOST_BLOCKS

Box = tuple[float, float, float, float]
PRECISIONS = ("fp32", "bf16")
_TEXT = frozenset(
    {
        "text_steps",
        "text_batch",
        "text_rank",
        "text_method",
        "text_ridge",
        "text_beyond_he",
        "record_dim",
        "dropped_fields",
        "seed",
    }
)
TEXT_METHODS = ("contrast", "discriminant")
_CARD = frozenset({"name", "placebo_fields", "twin_fields", "credit", "licence", "data"})
# Fewer patches than this at a time and a chunk could hold a single one.
SMALLEST_CHUNK = 4
# What does not touch the image towers.
_LATER = _TEXT - {"seed"} | _CARD | {"text_heads", "checkpoint_every", "threads"}


@dataclass(frozen=True)
class TrainConfig:
    """Recipe of a training run; every value has a default.

    Parameters
    ----------
    name : str
        Name of the model.
    steps, batch_size : int
        Optimiser steps of the image towers, and patches in each.
    epochs : int
        Where above 0, `steps` follows from it: as many as show each patch of tissue
        this often.
    objectives : mapping
        Objective -> weight, or -> ``{"weight": w, **options}``; see
        ``training/objectives``.
    stain_jitter : mapping
        Manifest -> how much its stains are varied ("" for the main one), 1 by
        default; a slide whose stain carries meaning wants less.
    across : float
        Share of the batches that take every patch from another patient.
    precision : str
        ``"fp32"``, or ``"bf16"`` for the H&E tower under autocast.
    learning_rate, weight_decay : float
        For AdamW; the rate warms up over `warm_up` steps and falls as a cosine.
    rates : mapping
        Beginning of parameter names, whole parts such as ``"he.head"`` -> learning
        rate of their own; the longest that fits counts.
    clip : float
        Largest length of a step's gradient; 0 clips nothing.
    fixed_norms : float
        Share of the steps, the last ones, that are taken with the statistics of
        batch normalisation measured over all cohorts and kept; see
        ``training/norms.py``. 0 never, 1 from the first step on.
    start_from : str
        Model that training starts from: a name or a folder; "" starts from chance.
    tune : tuple of str
        Beginnings of parameter names, whole parts: only these are tuned, all else
        stays as it is in `start_from`. Empty tunes everything (of the published
        architecture: what its authors tuned).
    accumulate : int
        Batches whose gradients are added up for one step.
    chunk : int
        Patches that go through the towers at a time; every patch of the batch is
        compared with every other all the same. 0 takes the batch at once.
    patience : int
        Validations without a better one after which training stops and the best
        towers are kept; 0 always takes every step.
    validation_share : float
        Share of the patients, at least one, kept out and only measured on.
        Nothing is kept out of a cohort with fewer than eight patients.
    also : tuple of str
        Further cohort manifests, relative to the configuration file.
    shares : mapping
        Manifest -> share of the batches ("" for the main one); equal by default.
    regions_um : mapping
        Slide id -> (x0, y0, x1, y1): the only tissue of that slide to train on.
    placebo_fields : tuple of str
        Fields known to carry no information; the model card lists them with
        their levels, for use as a null in counterfactuals.
    twin_fields : mapping
        Twin -> field of the record that it copies the spread of, carrying no
        information either; see ``simulation/neutral.py``.
    he_width, he_zoom, he_blocks, dim : int
        Sizes of a model made from chance; see ``model/compact/config.py``. A model
        that starts from another may have finer H&E and more blocks than that one.
    dropped_fields : float
        Chance that a field is left out of a training caption, so that the model
        also understands records with gaps.
    text_method : str
        ``"contrast"``: optimiser steps that match captions with patches and
        slides; ``"discriminant"``: in closed form, for cohorts with both images,
        the way in which a record moves tissue beyond what its H&E shows.
    text_steps, text_batch, text_rank : int
        For contrast: optimiser steps of a text head (0: no text tower, whatever
        the method), patients in each, and the number of dimensions in which
        captions may differ.
    text_ridge, text_beyond_he : float
        For the discriminant: the ridge of the captions' features, in patients,
        and how much of what H&E tells of the mIF is taken off first (0 to 1).
    record_dim : int
        For the discriminant: coordinates of their own in which H&E is compared
        with captions; see ``training/text_discriminant.py``.
    text_heads : int
        Text heads refitted on bootstraps of the training patients, for the
        inference of counterfactuals; 0 leaves them out.
    credit, licence, data : str
        For the model card.
    seed : int
        Everything drawn follows from it.
    """

    name: str = "haiku-small"
    steps: int = 4000
    batch_size: int = 96
    epochs: int = 0
    objectives: Mapping[str, Any] = field(
        default_factory=lambda: {
            "pairwise_clip": {"temperature": 0.1, "learnable": True},
            "expression": 1.0,
        }
    )
    stain_jitter: Mapping[str, float] = field(default_factory=dict)
    across: float = 0.5
    precision: str = "fp32"
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    rates: Mapping[str, float] = field(default_factory=dict)
    clip: float = 5.0
    fixed_norms: float = 0.25
    warm_up: int = 100
    start_from: str = ""
    tune: tuple[str, ...] = ()
    accumulate: int = 1
    chunk: int = 0
    patience: int = 0
    validation_share: float = 0.1
    validate_every: int = 500
    checkpoint_every: int = 250
    also: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    regions_um: Mapping[str, Box] = field(default_factory=dict)
    placebo_fields: tuple[str, ...] = ()
    twin_fields: Mapping[str, str] = field(default_factory=dict)
    dropped_fields: float = 0.25
    he_width: int = 32
    he_zoom: int = 1
    he_blocks: int = 0
    dim: int = 256
    threads: int = 0
    text_steps: int = 1500
    text_batch: int = 256
    text_rank: int = 12
    text_method: str = "contrast"
    text_ridge: float = 200.0
    text_beyond_he: float = 1.0
    record_dim: int = 0
    text_heads: int = 16
    credit: str = ""
    licence: str = ""
    data: str = ""
    seed: int = 0

    def image_settings(self) -> dict[str, Any]:
        """Return what the image towers depend on; the rest may change on resuming."""
        return {key: value for key, value in self.to_json().items() if key not in _LATER}

    def differing(self, settings: Mapping[str, Any]) -> list[str]:
        """Names of the image settings in which an earlier run differs.

        A setting that the earlier run did not know yet had its default.
        """
        default = TrainConfig().image_settings()
        mine = self.image_settings()
        return sorted(key for key in mine if settings.get(key, default[key]) != mine[key])

    def text_settings(self) -> dict[str, Any]:
        """Return what the text heads depend on beside the image towers."""
        return {key: value for key, value in self.to_json().items() if key in _TEXT}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready copy."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


def read_config(path: Path | None, base: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a training configuration from JSON.

    Parameters
    ----------
    path : Path or None
        The file; None reads none.
    base : mapping, optional
        Settings, such as a preset's, that the file's own go before.

    Raises
    ------
    HaikuError
        The file cannot be read, or names a setting that does not exist.
    """
    if path is None:
        return _made(base or {})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HaikuError(f"The training configuration {path.name} cannot be opened.") from error
    except ValueError as error:
        raise HaikuError(
            f"The training configuration {path.name} is no valid JSON ({error}): correct it."
        ) from error
    known = {f.name: f for f in fields(TrainConfig)}
    if not isinstance(content, dict) or (foreign := sorted(set(content) - set(known))):
        what = f"the unknown setting '{foreign[0]}'" if isinstance(content, dict) else "no settings"
        raise HaikuError(
            f"The training configuration {path.name} holds {what}; there are {', '.join(known)}."
        )
    default = TrainConfig()
    for key, value in content.items():
        if not _same_kind(value, getattr(default, key)):
            raise HaikuError(
                f"'{key}' in {path.name} cannot be {value!r}: give it like "
                f"{json.dumps(default.to_json()[key])}."
            )
    if content.get("precision", "fp32") not in PRECISIONS:
        raise HaikuError(
            f"'precision' in {path.name} cannot be {content['precision']!r}: choose "
            f"{' or '.join(PRECISIONS)}."
        )
    return _made({**(base or {}), **content})


def _made(content: Mapping[str, Any]) -> TrainConfig:
    lists = {key: tuple(content.get(key, ())) for key in ("also", "placebo_fields", "tune")}
    regions = {k: tuple(v) for k, v in content.get("regions_um", {}).items()}
    config = TrainConfig(**{**content, **lists, "regions_um": regions})
    check_config(config)
    return config


def check_config(config: TrainConfig) -> None:
    """Make sure that settings are possible and fit each other.

    Raises
    ------
    HaikuError
        One is not, or does not.
    """
    least = {"steps": 1, "batch_size": 2, "accumulate": 1, "validate_every": 1}
    least |= {"checkpoint_every": 1, "he_width": 1, "dim": 1}
    for name, lowest in least.items():
        if getattr(config, name) < lowest:
            raise HaikuError(
                f"'{name}' cannot be {getattr(config, name)}: give a number from {lowest} on."
            )
    if config.he_zoom not in (1, 2):
        raise HaikuError(f"'he_zoom' cannot be {config.he_zoom}: give 1 or 2.")
    if config.he_blocks > MOST_BLOCKS:
        raise HaikuError(f"'he_blocks' cannot be {config.he_blocks}: give at most {MOST_BLOCKS}.")
    _check_text(config)
    if 0 < config.chunk < SMALLEST_CHUNK:
        raise HaikuError(
            f"'chunk' cannot be {config.chunk}: give at least {SMALLEST_CHUNK} patches at a time, "
            "or 0 for the whole batch."
        )
    if config.fixed_norms > 1:
        raise HaikuError(
            f"'fixed_norms' cannot be {config.fixed_norms}: give a share of the steps, 0 to 1."
        )
    if config.validation_share >= 1 or config.across > 1 or config.dropped_fields > 1:
        raise HaikuError(
            "'validation_share', 'across' and 'dropped_fields' are shares: give numbers below 1."
        )
    for name in ("rates", "shares", "stain_jitter"):
        for key, value in getattr(config, name).items():
            usable = isinstance(value, int | float) and not isinstance(value, bool)
            if not usable or not 0 <= value < float("inf"):
                raise HaikuError(
                    f"'{name}' gives '{key}' the value {value!r}: give a number from 0 on."
                )
    if config.patience and not config.validation_share:
        raise HaikuError(
            "'patience' needs patients kept out to measure on: give a 'validation_share' above 0, "
            "or leave patience out."
        )


def _same_kind(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(default, Mapping):
        return isinstance(value, dict)
    if isinstance(default, bool) or isinstance(value, bool):
        return type(value) is type(default)
    if isinstance(default, float):
        return isinstance(value, int | float) and value >= 0
    if isinstance(default, int):
        return isinstance(value, int) and value >= 0
    return isinstance(value, str)


def _check_text(config: TrainConfig) -> None:
    if config.text_method not in TEXT_METHODS:
        raise HaikuError(
            f"'text_method' cannot be '{config.text_method}': choose {' or '.join(TEXT_METHODS)}."
        )
    if config.text_ridge <= 0 or not 0 <= config.text_beyond_he <= 1:
        raise HaikuError("'text_ridge' must be above 0, and 'text_beyond_he' from 0 to 1.")
    if config.record_dim < 0 or config.record_dim in (1, 2):
        raise HaikuError(f"'record_dim' cannot be {config.record_dim}: give 0, or 3 or more.")
    if config.record_dim and config.text_method != "discriminant":
        raise HaikuError("'record_dim' needs 'text_method' to be 'discriminant'.")
