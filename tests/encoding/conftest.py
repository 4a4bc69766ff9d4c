from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from slide_bench import bench, encoded, slide_files, small_chunks

__all__ = ["bench", "encoded", "slide_files", "small_chunks"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Stores record the thread count; what ran before must not change it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
