"""What would shift if a record read differently, on one slide."""
