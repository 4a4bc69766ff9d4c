from __future__ import annotations

from napari_haiku.jobs import run_job
from napari_haiku.simulation import demo_slide
from napari_haiku.viewer.slides import sample


def test_the_sample_is_made_once_and_then_found(tmp_path, monkeypatch):
    made = []
    simulate = demo_slide.simulate_patient
    monkeypatch.setattr(
        demo_slide,
        "simulate_patient",
        lambda *args, **options: (
            made.append(args),
            simulate(*args, **(options | {"field_um": (150.0, 150.0)})),
        )[1],
    )
    opened, slide = run_job(sample.open_sample(tmp_path / "sample"))
    assert opened.he.path == slide.he
    assert opened.he.pixel_size_um == 0.5
    assert opened.mif.pixel_size_um == 1.0
    assert "stage" in slide.record
    again, _ = run_job(sample.open_sample(tmp_path / "sample"))
    assert len(made) == 1
    assert again.he.fingerprint == opened.he.fingerprint


def test_the_sample_lies_in_the_cache(tmp_path):
    assert sample.sample_folder(tmp_path) == tmp_path / "sample"
