"""Results leave the house: maps, reports."""
