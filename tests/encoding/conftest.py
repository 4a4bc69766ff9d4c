from __future__ import annotations

from slide_bench import bench, encoded, slide_files

__all__ = ["bench", "encoded", "slide_files"]
