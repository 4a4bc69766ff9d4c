"""The three towers: loading, saving and encoding; devices; where models come from."""
