"""From a cohort to a model: dataset, objective, loop and card."""
