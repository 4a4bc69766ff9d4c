from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from slide_bench import bench, encoded, slide_files, small_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bench", "encoded", "slide_files", "small_chunks"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Stores record the thread count; what ran before must not change it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
