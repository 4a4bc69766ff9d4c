"""Which patches make up each training batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_haiku.training.tissue_cache import CachedSlide

MIN_TISSUE = 0.4
TRIES = 200
# Fewer patients than this and no batch is drawn across patients.
MANY_PATIENTS = 16


Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Batch:
    """Patches of slides that share one panel.

    Attributes
    ----------
    he : ndarray of uint8, shape (n, h, w, 3), or None
    cells : ndarray of float32, shape (n, c, 3, y, x), or None
    markers : tuple of str
    slides : tuple of CachedSlide, length n
        Where each patch comes from.
    cohort : str
        The cohort of all of them.
    places : ndarray of int64, shape (n, 2), or None
        Row and column of each patch's first cell.
    """

    he: NDArray[np.uint8] | None
    cells: NDArray[np.float32] | None
    markers: tuple[str, ...]
    slides: tuple[CachedSlide, ...]
    cohort: str
    places: NDArray[np.int64] | None = None


class BatchSampler:
    """Draws batches of two kinds from a cohort.

    *Across patients*: every patch from another patient, so that what patients
    differ in is learnt. *Within slides*: many patches of few slides, so that H&E
    and mIF are matched by what the tissue is, not by whose it is. A cohort of
    few patients gives the second kind only.

    Parameters
    ----------
    slides : list of CachedSlide
    shares : list of float
        Weight of each slide's cohort, parallel to `slides`; slides of one
        cohort share it.
    batch_size : int
    cell_px, patch_px : int
        Geometry of the model.
    seed : int
        Batch number i depends on the seed and i alone.
    across : float
        Share of the batches of the first kind where there are patients enough.
    step : int
        Patches begin at multiples of so many cells: 1 lets them lie anywhere, more
        on a fixed grid, so that the same ones come again (for towers that are not
        tuned).
    """

    def __init__(
        self,
        slides: list[CachedSlide],
        cohorts: list[str],
        shares: dict[str, float],
        *,
        batch_size: int,
        cell_px: int,
        patch_px: int,
        seed: int,
        across: float = 0.5,
        step: int = 1,
    ) -> None:
        self._step = step
        self._across = across
        self._groups: dict[tuple[str, tuple[str, ...]], list[CachedSlide]] = {}
        for slide, cohort in zip(slides, cohorts, strict=True):
            self._groups.setdefault((cohort, slide.markers), []).append(slide)
        self._keys = sorted(self._groups)
        members = {c: sum(key[0] == c for key in self._keys) for c in set(cohorts)}
        weights = np.array([shares.get(key[0], 1.0) / members[key[0]] for key in self._keys])
        self._weights = weights / weights.sum()
        self._size = batch_size
        self._cell, self._patch = cell_px, patch_px
        self._seed = seed

    @property
    def groups(self) -> dict[tuple[str, tuple[str, ...]], list[CachedSlide]]:
        """Slides by cohort and panel."""
        return self._groups

    @property
    def patches(self) -> int:
        """Patches side by side that the tissue of all slides has room for."""
        return sum(sum(self._room(slides)) for slides in self._groups.values())

    def _room(self, slides: list[CachedSlide]) -> list[int]:
        side = self._patch // self._cell
        return [max(1, round(float(s.tissue[-1, -1]) / side**2)) for s in slides]

    def draw(self, number: int) -> Batch:
        """Return batch `number`; the same number always gives the same batch."""
        rng = np.random.default_rng([self._seed, number])
        key = self._keys[rng.choice(len(self._keys), p=self._weights)]
        slides = self._groups[key]
        by_patient: dict[str, list[CachedSlide]] = {}
        for slide in slides:
            by_patient.setdefault(slide.patient_id, []).append(slide)
        across = len(by_patient) >= MANY_PATIENTS and rng.random() < self._across
        if across:
            patients = rng.permutation(sorted(by_patient))[: self._size]
            chosen = [by_patient[p][rng.integers(len(by_patient[p]))] for p in patients]
        else:
            chosen = self._within(slides, rng)
        return self._cut(chosen, rng, key[0])

    def _within(self, slides: list[CachedSlide], rng: np.random.Generator) -> list[CachedSlide]:
        room = self._room(slides)
        chosen: list[CachedSlide] = []
        for i in rng.permutation(len(slides)):
            chosen += [slides[i]] * min(room[i], self._size - len(chosen))
            if len(chosen) >= self._size:
                break
        return chosen

    def _cut(self, chosen: list[CachedSlide], rng: np.random.Generator, cohort: str) -> Batch:
        side = self._patch // self._cell
        he, cells, places = [], [], []
        for slide in chosen:
            row, column = _place(slide, side, rng, self._step)
            places.append((row, column))
            turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
            if slide.he is not None:
                he.append(_turned(slide.he_patch(row, column, side), turns, mirrored, (0, 1)))
            if slide.cells is not None:
                part = slide.cells[:, :, row : row + side, column : column + side]
                cells.append(_turned(part, turns, mirrored, (2, 3)))
        return Batch(
            he=np.stack(he) if he else None,
            cells=np.stack(cells).astype(np.float32) if cells else None,
            markers=chosen[0].markers,
            slides=tuple(chosen),
            cohort=cohort,
            places=np.array(places, np.int64),
        )


def drawn_ahead(
    draw: Callable[[int], Drawn], numbers: Sequence[int]
) -> Generator[Drawn, None, None]:
    """Yield what is drawn for each number; the next is drawn while the last is worked on."""
    with ThreadPoolExecutor(1, "haiku-draw") as thread:
        coming = [thread.submit(draw, number) for number in numbers[:1]]
        for number in numbers[1:]:
            now = coming.pop().result()
            coming.append(thread.submit(draw, number))
            yield now
        for last in coming:
            yield last.result()


def _place(slide: CachedSlide, side: int, rng: np.random.Generator, step: int) -> tuple[int, int]:
    rows, columns = (n - side + 1 for n in slide.shape)
    row = rng.integers(rows, size=TRIES) // step * step
    column = rng.integers(columns, size=TRIES) // step * step
    share = slide.tissue_share(row, column, side)
    at = int(np.argmax(share >= MIN_TISSUE)) if (share >= MIN_TISSUE).any() else int(share.argmax())
    return int(row[at]), int(column[at])


def _turned(
    part: NDArray[np.generic], turns: int, mirrored: bool, axes: tuple[int, int]
) -> NDArray[np.generic]:
    out = np.rot90(np.asarray(part), turns, axes)
    return np.flip(out, axes[1]) if mirrored else out
