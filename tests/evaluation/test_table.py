"""The paper's Table 2, from its own numbers and from known ones."""

import csv
import io
import json

import numpy as np
import pytest

from srseg.errors import LabelError, ParameterError
from srseg.evaluation import SampleScores, ScoreRow, ScoreTable
from srseg.labels import DEFAULT_LABELS, LabelClass, LabelTable

# Baltruschat et al. 2021, Table 2: IoU x 100 of bone, DL, RM, and their mean ("Avr")
PUBLISHED = {
    "1 plane (rc)": ("96.83", "80.16", "93.65", "90.22"),
    "1 plane (cp)": ("96.72", "79.31", "93.16", "89.73"),
    "1 plane (pr)": ("96.72", "79.32", "93.10", "89.71"),
    "mean, 3 planes": ("97.01", "81.26", "93.83", "90.70"),
    "majority, 3 planes": ("96.95", "80.76", "93.73", "90.48"),
    "mean, 9 planes": ("96.38", "81.33", "93.99", "90.57"),
    "majority, 9 planes": ("96.32", "81.07", "93.94", "90.44"),
}

CAPTION = (
    "IoU x 100 against HQ; mean over samples, then over classes without background; "
    "± standard error over 4 models."
)

MEANS = (
    " (n of m): a mean over n of the m classes, because the others are neither in the truth nor in "
    "what was found; compare it with means over the same classes alone."
)


def row(values, key="k", method="m"):
    return ScoreRow(key, method, np.atleast_2d(np.asarray(values, float)))


def test_the_published_table_comes_out_of_its_class_columns():
    rows = [row([float(v) / 100 for v in values[:3]], m, m) for m, values in PUBLISHED.items()]
    lines = ScoreTable(DEFAULT_LABELS, tuple(rows), "HQ").to_text().splitlines()
    assert lines[0].split() == ["method", "bone", "DL", "RM", "mean"]
    for line, (method, published) in zip(lines[1:-1], PUBLISHED.items(), strict=True):
        assert line.startswith(method)
        *classes, mean = line.removeprefix(method).split()
        assert tuple(classes) == published[:3]
        # the printed mean was rounded from more digits than the printed classes have
        assert float(mean) == pytest.approx(float(published[3]), abs=0.011)


@pytest.fixture
def table():
    # four models, as from four folds
    spread = np.array([-0.3, -0.1, 0.1, 0.3])[:, None]
    models = np.array([0.97, 0.81, 0.94]) + spread * [0.01, 0.02, 0.0]
    single = row([0.5, np.nan, 0.25], "wf", "WF labels")
    return ScoreTable(DEFAULT_LABELS, (single, row(models, "soft3", "mean, 3 planes")), "HQ")


def test_text(table):
    # standard error of (-.3, -.1, .1, .3) is sqrt(0.2 / 3 / 4) = 0.1291
    assert table.to_text().splitlines() == [
        "method                  bone            DL            RM                   mean",
        "WF labels              50.00             -         25.00         37.50 (2 of 3)",
        "mean, 3 planes  97.00 ± 0.13  81.00 ± 0.26  94.00 ± 0.00  90.67 ± 0.13 (3 of 3)",
        CAPTION + MEANS,
    ]


def test_means_over_the_same_classes_need_no_word():
    """Of a class that is nowhere, no row has an IoU; of one that a model lacks, some have."""
    rows = (row([0.5, np.nan, 0.25]), row([[0.6, np.nan, 0.3], [0.7, np.nan, 0.2]]))
    text = ScoreTable(DEFAULT_LABELS, rows, "HQ").to_text()
    assert "of 3" not in text
    assert "n of m" not in text
    rows = (row([[0.6, np.nan, 0.3], [0.7, 0.9, 0.2]]),)
    table = ScoreTable(DEFAULT_LABELS, rows, "HQ")
    assert table.to_text().splitlines()[1].endswith("(2-3 of 3)")
    assert table.to_json()["rows"][0]["classes_in_mean"] == [2, 3]


def test_means_over_as_many_but_other_classes_are_told():
    rows = (row([0.5, np.nan, 0.25]), row([0.5, 0.25, np.nan]))
    first, second = ScoreTable(DEFAULT_LABELS, rows, "HQ").to_text().splitlines()[1:3]
    assert first.endswith("37.50 (2 of 3)")
    assert second.endswith("37.50 (2 of 3)")


def test_markdown(table):
    lines = table.to_markdown().splitlines()
    assert lines[0] == "| method | bone | DL | RM | mean |"
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[2] == "| WF labels | 50.00 | - | 25.00 | 37.50 (2 of 3) |"
    assert lines[4] == ""
    assert "against HQ" in lines[5]


def test_markdown_keeps_its_columns_whatever_classes_are_called():
    labels = LabelTable((LabelClass(0, "air"), LabelClass(1, "a|b")))
    text = ScoreTable(labels, (row([0.5], method="x|y"),)).to_markdown()
    assert text.splitlines()[0] == "| method | a\\|b | mean |"
    assert text.splitlines()[2] == "| x\\|y | 50.00 | 50.00 |"


def test_csv(table):
    first, second = csv.DictReader(io.StringIO(table.to_csv()))
    assert first == {
        "method": "WF labels", "models": "1",
        "bone": "50.00", "bone_se": "", "degradation_layer": "", "degradation_layer_se": "",
        "residual_material": "25.00", "residual_material_se": "", "mean": "37.50", "mean_se": "",
    }  # fmt: skip
    assert second["degradation_layer_se"] == "0.26"
    assert second["models"] == "4"


def test_json_has_fractions_and_no_nan(table):
    data = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert data["against"] == "HQ"
    assert [c["key"] for c in data["classes"]] == ["bone", "degradation_layer", "residual_material"]
    first, second = data["rows"]
    assert first["iou"] == {
        "bone": 0.5, "degradation_layer": None, "residual_material": 0.25, "mean": 0.375,
    }  # fmt: skip
    assert first["standard_error"]["mean"] is None
    assert second["iou"]["degradation_layer"] == pytest.approx(0.81)
    assert second["standard_error"]["bone"] == pytest.approx(0.01 * np.sqrt(0.2 / 12))
    assert len(second["per_model"]) == 4
    assert "per_sample" not in first


def scores(confusions, samples=("A", "B"), table=DEFAULT_LABELS):
    return SampleScores(table, samples, np.asarray(confusions))


def test_a_row_of_scores_averages_samples_then_classes_then_models():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 100, (3, 2, 4, 4))
    made = ScoreRow.from_scores("soft3", "mean, 3 planes", [scores(c) for c in counts])
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    each = (hits / (counts.sum(-1) + counts.sum(-2) - hits))[..., 1:]
    np.testing.assert_allclose(made.per_sample, each)
    np.testing.assert_allclose(made.iou, each.mean((0, 1)))
    by_model = each.mean((1, 2))
    assert made.mean == pytest.approx(by_model.mean())
    assert made.mean_error == pytest.approx(by_model.std(ddof=1) / np.sqrt(3))
    data = ScoreTable(DEFAULT_LABELS, (made,)).to_json()["rows"][0]
    assert data["per_sample"]["B"]["bone"] == pytest.approx(each[:, 1, 0].mean())
    assert data["per_sample"]["B"]["mean"] == pytest.approx(each[:, 1].mean())
    summed = counts.sum(1)
    hits = np.diagonal(summed, axis1=-2, axis2=-1)
    pooled = (hits / (summed.sum(-1) + summed.sum(-2) - hits))[:, 1:]
    assert data["pooled"]["bone"] == pytest.approx(pooled[:, 0].mean())
    assert data["pooled"]["mean"] == pytest.approx(pooled.mean())


def test_a_class_that_one_model_never_meets_is_left_out_of_that_models_mean():
    made = row([[0.2, 0.4, 0.9], [0.6, 0.8, np.nan]])
    np.testing.assert_allclose(made.iou, [0.4, 0.6, 0.9])
    assert made.mean == pytest.approx((0.5 + 0.7) / 2)
    assert made.mean_error == pytest.approx(0.1)


def test_scores_that_do_not_belong_together_are_refused():
    counts = np.ones((2, 4, 4), int)
    with pytest.raises(ParameterError, match="no scores"):
        ScoreRow.from_scores("k", "m", [])
    with pytest.raises(ParameterError, match="same samples, found A, B and A, C"):
        ScoreRow.from_scores("k", "m", [scores(counts), scores(counts, ("A", "C"))])
    other = LabelTable.from_values(range(4))
    with pytest.raises(LabelError, match="another label table"):
        ScoreRow.from_scores("k", "m", [scores(counts), scores(counts, table=other)])


def test_a_row_of_other_classes_is_refused():
    with pytest.raises(ParameterError, match="IoU of 3 classes"):
        ScoreTable(DEFAULT_LABELS, (row([0.5, 0.5]),))
