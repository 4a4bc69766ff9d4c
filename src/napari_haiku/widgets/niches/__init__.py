"""The Niches dock."""
