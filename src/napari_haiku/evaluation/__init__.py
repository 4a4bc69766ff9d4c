"""How good a model is on a cohort: every figure with its interval and its chance."""
