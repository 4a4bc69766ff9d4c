"""What the window keeps of a slide between two visits."""
