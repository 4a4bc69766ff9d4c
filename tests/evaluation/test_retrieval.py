import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import retrieval
from napari_haiku.jobs import run_job


def test_exact_retrieval_is_that_of_the_whole_table(make_cohort, ask):
    cohort = make_cohort(n=6, patches=8, noise=1.5)
    found = run_job(retrieval.run(cohort, ask()))
    he, mif = (np.asarray(cohort.atlas.embeddings(name), float) for name in ("he", "mif"))
    scores = he @ mif.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1) + 1
    figures = found["he->mif"]
    for k in (1, 5, 10, 50):
        assert figures[f"R@{k}"].value == pytest.approx((rank <= k).mean())
        assert figures[f"R@{k}"].chance == pytest.approx(min(k, 48) / 48)
    assert figures["MRR"].value == pytest.approx((1 / rank).mean())
    assert figures["median_rank"].value == np.sort(rank)[23]
    assert figures["nDCG"].value == pytest.approx((1 / np.log2(rank + 1)).mean())
    assert figures["R@1"].n == 48
    assert figures["R@1"].ci[0] <= figures["R@1"].value <= figures["R@1"].ci[1]


def test_every_ordered_pair_and_every_fusion(make_cohort, ask):
    found = run_job(retrieval.run(make_cohort(n=4, patches=4), ask()))
    assert {key for key in found if "->" in key} == {
        *("he->mif", "he->text", "mif->he", "mif->text", "text->he", "text->mif"),
        *("he+text->mif", "mif+text->he", "he+mif->text"),
    }


def test_fusion_is_the_weighted_sum(make_cohort, ask):
    cohort = make_cohort(n=4, patches=5, noise=1.5)
    found = run_job(retrieval.run(cohort, ask()))
    he, mif, text = (np.asarray(cohort.atlas.embeddings(m), float) for m in ("he", "mif", "text"))
    scores = (0.8 * he + 0.2 * text) @ mif.T
    rank = (scores > np.diag(scores)[:, None] + 1e-7).sum(axis=1) + 1
    assert found["he+text->mif"]["R@1"].value == pytest.approx((rank <= 1).mean())


def test_captions_are_ranked_once_a_patient(make_cohort, ask):
    cohort = make_cohort(n=5, patches=6)
    found = run_job(retrieval.run(cohort, ask()))
    assert found["he->text"]["R@1"].chance == pytest.approx(1 / 5)
    assert found["he->text"]["R@1"].n == 30
    # From text, any of the patient's six patches among thirty is right.
    assert found["text->he"]["R@1"].chance == pytest.approx(6 / 30)
    assert found["text->he"]["R@1"].n == 5


def test_published_text_retrieval_is_patch_by_patch(make_cohort, ask):
    found = run_job(retrieval.run(make_cohort(n=5, patches=6), ask(protocol="published")))
    assert found["text->mif"]["R@1"].n == 30
    assert found["text->mif"]["R@1"].chance == pytest.approx(1 / 30)
    assert "R@20" in found["text->mif"]


def test_random_vectors_stay_at_chance(make_cohort, ask):
    found = run_job(retrieval.run(make_cohort(n=10, patches=20), ask()))
    for key, figures in found["baselines"]["random"].items():
        assert figures["R@50"].value == pytest.approx(figures["R@50"].chance, abs=0.25), key
    assert found["baselines"]["random"]["he->mif"]["R@50"].value == pytest.approx(0.25, abs=0.1)


def test_a_gallery_of_exactly_n(make_cohort, ask):
    from dataclasses import replace

    from napari_haiku.evaluation.cohort import _drawn

    cohort = make_cohort(n=5, patches=10)
    rows = _drawn(cohort.atlas, 20, 3)
    assert len(set(rows)) == 20
    assert (rows == _drawn(cohort.atlas, 20, 3)).all()
    assert (rows != _drawn(cohort.atlas, 20, 4)).any()
    found = run_job(retrieval.run(replace(cohort, rows=rows), ask(gallery=20)))
    assert found["he->mif"]["R@5"].n == 20
    assert found["he->mif"]["R@5"].chance == pytest.approx(5 / 20)
    with pytest.raises(HaikuError, match="60 patches was asked for, but the cohort has 50"):
        _drawn(cohort.atlas, 60, 3)


def test_by_label_leaves_the_own_patient_out(make_cohort, ask):
    """Patients with tissue of their own: their own patches would answer all questions."""
    cohort = make_cohort(n=8, patches=5)
    honest = run_job(retrieval.run(cohort, ask()))["by_label"]["disease"]["he->mif"]
    published = run_job(retrieval.run(cohort, ask(protocol="published")))
    assert published["by_label"]["disease"]["he->mif"]["P@1"].value > 0.9
    assert honest["P@1"].value < 0.8
    assert honest["P@1"].chance == pytest.approx(15 / 35)


def test_one_modality_alone_is_refused(make_cohort, ask):
    from drawn_cohort import draw_patients

    patients = draw_patients(n=3)
    for patient in patients:
        patient.mif[:] = np.nan
        patient.text = None
    with pytest.raises(HaikuError, match="no two modalities"):
        run_job(retrieval.run(make_cohort(patients), ask()))
