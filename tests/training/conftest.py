"""A tiny cohort of painted slides with a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_room import paint_slide


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Nine patients, one slide each."""
    lines = ["slide_id,patient_id,he,mif,markers,tissue_type,disease,stage,ward"]
    for i in range(9):
        paint_slide(tmp_path, f"s{i}", i)
        record = f"Colon,Colon Cancer,{'I' * (1 + i % 3)},w{i % 2}"
        lines.append(f"s{i},p{i},s{i}_he.ome.tif,s{i}_mif.ome.tif,,{record}")
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
