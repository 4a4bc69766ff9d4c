"""Sentences that stand beside results wherever they are shown."""

from __future__ import annotations

RESEARCH_USE = "Research use only"
ASSOCIATION = "An association under edited text. Exploratory: not a cause, not a diagnosis."
SAME_PATIENT = "Same patient, other region: not a test on a new patient."
