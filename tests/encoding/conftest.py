from __future__ import annotations

from slide_bench import bench, encoded, slide_files, small_chunks

__all__ = ["bench", "encoded", "slide_files", "small_chunks"]
