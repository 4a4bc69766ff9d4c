"""The Biomarkers dock."""
