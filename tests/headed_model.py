"""The toy text tower with heads refitted on other training patients."""

import numpy as np
from toy_cohort import DIM, PLACEBO_FIELDS, ToyModel, text_vector


class HeadedModel(ToyModel):
    """Sixteen heads, each with a chance direction of its own for every value."""

    def __init__(self, heads=16, noise=0.15, placebo=True, fields=PLACEBO_FIELDS):
        super().__init__(placebo=placebo)
        if placebo:
            self.card = {"placebo_fields": fields}
        self.n_text_heads = heads
        self.noise = noise

    def encode_text_heads(self, captions):
        return np.stack(
            [
                np.stack([self._read(head, words) for words in captions])
                for head in range(self.n_text_heads)
            ]
        )

    def _read(self, head, words):
        vector = text_vector(words).astype(float)
        for part in words.rstrip(".").split(", "):
            rng = np.random.default_rng([head, *part.encode()])
            vector += self.noise * rng.normal(size=DIM) / np.sqrt(DIM)
        return (vector / np.linalg.norm(vector)).astype(np.float32)
