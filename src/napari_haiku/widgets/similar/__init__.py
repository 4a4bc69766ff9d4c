"""The Similar tissue dock."""
