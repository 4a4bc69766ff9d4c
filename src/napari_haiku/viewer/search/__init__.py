"""A question put to the atlas, its ring and its hits."""
