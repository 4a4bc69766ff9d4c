"""Many encodings in one searchable folder: the evidence behind every prediction."""
