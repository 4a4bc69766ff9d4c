"""The Counterfactual dock."""
