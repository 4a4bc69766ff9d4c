from __future__ import annotations

from atlas_bench import built
from slide_bench import small_chunks

__all__ = ["built", "small_chunks"]
