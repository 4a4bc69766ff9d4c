"""The same edit asked of many patients."""
