"""The edits whose truth is told, and which fields have an arrow out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.effects import EFFECTS
from napari_haiku.simulation.neutral import PLACEBO, TWINS, twin_edits
from napari_haiku.simulation.record import GRADES, SITES, STAGES, TREATMENTS
from napari_haiku.simulation.truth_population import OUTCOME

if TYPE_CHECKING:
    from napari_haiku.simulation.truth_population import Population

JOIN = "+"
# Early, well differentiated disease and late, poorly differentiated disease.
EARLY, LATE = {"stage": "I", "grade": "G1"}, {"stage": "IV", "grade": "G3"}


@dataclass(frozen=True)
class Edit:
    """Fields that change together, before and after.

    Parameters
    ----------
    before, after : dict of str to str
        The same fields in the same order.
    """

    before: dict[str, str]
    after: dict[str, str]

    @property
    def names(self) -> tuple[str, str, str]:
        """Return field, from and to as the truth's columns write them."""
        return (
            JOIN.join(self.before),
            JOIN.join(self.before.values()),
            JOIN.join(self.after.values()),
        )

    @property
    def neutral(self) -> bool:
        """Whether every field is one without any arrow out."""
        return all(name in PLACEBO or name in TWINS for name in self.before)

    def reverse(self) -> Edit:
        """Return the edit back."""
        return Edit(self.after, self.before)


def fields_with_effect() -> tuple[str, ...]:
    """Return the fields of the record that stand for something in the tissue.

    They have an arrow to the tissue, or (survival) speak of a latent that has.
    """
    caused = {effect.field for effect in EFFECTS}
    # The organ decides between glands and nests, and crypts' content.
    fields = [name for name in ("smoking", "stage", "grade", "treatment", "age") if name in caused]
    return ("tissue_type", "disease", *fields, *OUTCOME)


def edits_of(people: Population) -> list[Edit]:
    """Return the edits to tell the truth of; survival is edited between typical months."""
    typical = {
        status: str(
            round(
                np.median(
                    people.record.loc[people.record[OUTCOME[0]] == status, OUTCOME[1]].astype(float)
                )
            )
        )
        for status in ("Deceased", "Alive")
    }
    poor = {OUTCOME[0]: "Deceased", OUTCOME[1]: typical["Deceased"]}
    good = {OUTCOME[0]: "Alive", OUTCOME[1]: typical["Alive"]}
    real = [
        *_pairs_of(poor, good),
        *_pairs("stage", STAGES),
        *_pairs("grade", GRADES),
        *_pairs_of(EARLY, LATE),
        *_pairs("treatment", TREATMENTS),
        *_pairs("smoking", ("Never", "Former", "Current")),
        *_pairs("age", ("50", "75")),
        *_pairs("sex", ("Female", "Male")),
        *_pairs("site", SITES[:2]),
    ]
    neutral = [Edit({name: levels[0]}, {name: levels[1]}) for name, (levels, _) in PLACEBO.items()]
    twins = [
        Edit(twin_edits(edit.before), twin_edits(edit.after))
        for edit in real
        if all(name in TWINS.values() for name in edit.before)
    ]
    return real + neutral + twins


def _pairs_of(first: dict[str, str], second: dict[str, str]) -> list[Edit]:
    return [Edit(first, second), Edit(second, first)]


def _pairs(name: str, levels: tuple[str, ...]) -> list[Edit]:
    return [Edit({name: first}, {name: second}) for first, second in permutations(levels, 2)]
