from napari_haiku.export.evaluation_charts import ChartRow, number, step_chart, told, value_chart
from napari_haiku.export.evaluation_report import evaluation_report
from napari_haiku.export.evaluation_tables import comparison_table, list_table, words_of
from napari_haiku.export.markup import element, page


def figure(value=0.5, low=0.4, high=0.6, n=10, chance=0.1, note=""):
    out = {"value": value, "ci": [low, high], "n": n, "chance": chance}
    return out | ({"note": note} if note else {})


ABOUT = {
    "model": "toy<1>",
    "model_fingerprint": "abcdef0123",
    "atlas": "atlas",
    "patients": 12,
    "slides": 12,
    "patches": 5000,
    "gallery": 5000,
    "seed": 3,
    "resamples": 1000,
    "fitted_on_patients": None,
    "protocol_says": "Own slide and patient are out.",
    "seen_in_training": "The model was trained on these images; agreement here is flattering.",
    "virtual": True,
    "skipped": {"survival": "No column tells survival."},
}


def shown(*elements):
    return page("", "", *elements)


def test_the_report_says_what_it_must():
    directions = {"he->mif": {"R@50": figure(0.62)}}
    content = {
        "retrieval": directions | {"baselines": {"random": {"he->mif": {"R@50": figure(0.01)}}}},
        "flip_accuracy": figure(0.8, chance=0.5) | {"placebo": figure(0.5, chance=0.5)},
        "about": ABOUT,
    }
    text = evaluation_report(content)
    for words in (
        "Research use only",
        "Own slide and patient are out.",
        "agreement here is flattering",
        "Virtual tissue",
        "a gallery of exactly 5,000, drawn by seed 3",
        "No column tells survival.",
        "0.620 (0.400 to 0.600)",
        "toy&lt;1&gt;",
    ):
        assert words in text
    assert "<script" not in text


def test_baselines_and_chance_stand_below_the_model():
    task = {"disease": {"he": {"accuracy": figure()}}}
    task["baselines"] = {"hand_made": {"disease": {"he": {"accuracy": figure(0.3)}}}}
    text = shown(comparison_table(task))
    order = [text.index(part) for part in ("0.500", "hand-made features", "0.300", "chance")]
    assert order == sorted(order)


def test_a_baseline_that_is_one_figure_stands_beside_the_headline():
    task = {"c_index": figure(0.7), "baselines": {"random": figure(0.51)}}
    text = shown(comparison_table(task))
    assert text.count("<tr") == 4
    assert "0.510" in text


def test_nested_baselines_are_told_from_the_model():
    task = {"grade": {"auroc": figure(0.7), "baselines": {"markers": {"auroc": figure(0.6)}}}}
    text = shown(list_table(task))
    assert "markers" in text
    assert "baselines" not in text


def test_charts_draw_what_there_is():
    chart = value_chart("Title", [ChartRow("a", figure(), {"ceiling": figure(0.9)})], "r")
    text = shown(chart)
    assert "a: 0.500 (0.400 to 0.600), chance 0.100" in text
    assert "ceiling" in text
    assert value_chart("Title", [ChartRow("a", figure(None))], "r") is None


def test_negative_values_lie_left_of_zero():
    rows = [ChartRow("less", figure(-0.3, -0.4, -0.2, chance=0.0)), ChartRow("more", figure(0.3))]
    places = {
        circle.get("cx")
        for circle in value_chart("", rows, "").iter("circle")
        if circle.get("r") == "4.5"
    }
    assert len(places) == 2


def test_curves_fall_in_steps():
    curves = {"low risk": [(5.0, 0.8), (10.0, 0.5)]}
    path = next(step_chart("", curves, "months", "share").iter("path")).get("d")
    assert path.count("L") == 4
    assert step_chart("", {"none": []}, "", "") is None


def test_words_and_numbers():
    assert words_of("he+text->mif") == "H&E + text to mIF"
    assert words_of("he|mif") == "H&E and mIF"
    assert words_of("patient_balanced_accuracy") == "patient balanced accuracy"
    assert (number(None), number(1234.5), number(0.12345)) == ("n/a", "1,234", "0.123")
    assert told({"value": 0.5, "ci": None}) == "0.500"
    assert element("p").tag == "p"
