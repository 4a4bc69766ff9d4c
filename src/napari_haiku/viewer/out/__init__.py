"""From the viewer to files: drawn regions, what a slide's window knows, contributed writers."""
