"""Images and a model in, an encoding on disk out: streaming, resumable, cancellable."""
