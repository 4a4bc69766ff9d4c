"""Answers read off an atlas: biomarkers, niches, counterfactuals and their statistics."""
