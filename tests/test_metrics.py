"""IoU and its relatives against scikit-learn and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from srseg import metrics
from srseg.errors import LabelError, ParameterError


@st.composite
def labellings(draw):
    n_classes = draw(st.integers(2, 5))
    shape = draw(hnp.array_shapes(max_dims=3, max_side=6))
    values = st.integers(0, n_classes - 1)
    truth = draw(hnp.arrays(np.uint8, shape, elements=values | st.just(255)))
    prediction = draw(hnp.arrays(np.uint8, shape, elements=values))
    return n_classes, truth, prediction


@given(labellings())
def test_confusion_iou_and_dice_equal_scikit_learn(case):
    n_classes, truth, prediction = case
    counted = truth != 255
    found = metrics.confusion(truth, prediction, n_classes)
    assert found.dtype == np.int64
    if not counted.any():
        assert not found.any()
        assert np.isnan(metrics.iou(found)).all()
        return
    known = {"y_true": truth[counted], "y_pred": prediction[counted], "labels": range(n_classes)}
    np.testing.assert_array_equal(found, confusion_matrix(**known))
    present = np.isin(range(n_classes), [*truth[counted], *prediction[counted]])
    for ours, theirs in ((metrics.iou, jaccard_score), (metrics.dice, f1_score)):
        expected = np.where(present, theirs(**known, average=None, zero_division=0), np.nan)
        np.testing.assert_allclose(ours(found), expected)


@given(labellings())
def test_mean_iou_is_the_mean_over_the_foreground_that_occurs(case):
    n_classes, truth, prediction = case
    counted = truth != 255
    occurring = set(truth[counted].tolist()) | set(prediction[counted].tolist())
    labels = sorted(occurring - {0})
    found = metrics.mean_iou(metrics.confusion(truth, prediction, n_classes))
    if not labels:
        assert np.isnan(found)
        return
    expected = jaccard_score(
        truth[counted], prediction[counted], labels=labels, average="macro", zero_division=0
    )
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1000,), (10, 10, 10), (3, 400), (400, 3)])
def test_counting_in_blocks_changes_nothing(shape, monkeypatch):
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 4, (2, *shape))
    whole = metrics.confusion(truth, prediction, 4)
    monkeypatch.setattr(metrics, "_BLOCK", 77)
    np.testing.assert_array_equal(metrics.confusion(truth, prediction, 4), whole)
    assert whole.sum() == truth.size


def test_a_stack_of_confusions_gives_a_stack_of_scores():
    counts = np.random.default_rng(1).integers(0, 50, (3, 4, 4))
    for score in (metrics.iou, metrics.dice):
        np.testing.assert_array_equal(score(counts), [score(c) for c in counts])


@pytest.mark.parametrize("wrong", [254, 4, -1])
def test_a_prediction_out_of_range_is_refused_where_it_counts(wrong):
    truth = np.array([0, 1, 255])
    with pytest.raises(LabelError, match=rf"prediction holds the class {wrong}.*0 to 3"):
        metrics.confusion(truth, np.array([0, wrong, 0]), 4)
    counts = metrics.confusion(truth, np.array([0, 1, wrong]), 4)
    assert counts.sum() == 2


def test_what_a_prediction_leaves_out_is_left_out_of_the_truth():
    truth, prediction = np.array([0, 1, 1, 255, 2]), np.array([0, 255, 1, 255, 255])
    np.testing.assert_array_equal(
        metrics.confusion(truth, prediction, 3), metrics.confusion(truth[[0, 2]], [0, 1], 3)
    )


def test_a_truth_out_of_range_is_refused():
    with pytest.raises(LabelError, match="truth holds the class 7"):
        metrics.confusion(np.array([0, 7]), np.array([0, 1]), 4)


def test_values_between_two_wrong_ends_do_not_hide_them():
    with pytest.raises(LabelError, match="-3"):
        metrics.confusion(np.array([0, 0]), np.array([-3, 1], np.int8), 4)
    with pytest.raises(LabelError, match="9"):
        metrics.confusion(np.array([0, 0]), np.array([0, 9], np.int8), 4)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros(3, int), np.zeros(4, int), r"one shape.*\(3,\).*\(4,\)"),
        (np.zeros(3), np.zeros(3, int), "truth must hold integer"),
        (np.zeros(3, int), np.zeros(3), "prediction must hold integer"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(truth, prediction, message):
    with pytest.raises(ParameterError, match=message):
        metrics.confusion(truth, prediction, 2)


@pytest.mark.parametrize("counts", [np.zeros(4), np.zeros((2, 3))])
def test_what_is_no_confusion_matrix_is_refused(counts):
    with pytest.raises(ParameterError, match="square"):
        metrics.iou(counts)


def test_another_value_can_be_ignored():
    counts = metrics.confusion(np.array([0, 1, 2]), np.array([0, 1, 1]), 2, ignore=2)
    np.testing.assert_array_equal(counts, [[1, 0], [0, 1]])


def test_mean_over_samples_then_classes_and_pooled():
    # sample B lacks class 2 in truth and prediction: it is left out there, not counted as 0
    a = np.array([[50, 0, 0], [0, 6, 2], [0, 0, 4]])
    b = np.array([[50, 0, 0], [0, 10, 0], [0, 0, 0]])
    summary = metrics.summarize(np.stack([a, b]))
    np.testing.assert_allclose(summary.per_sample, [[1, 6 / 8, 4 / 6], [1, 1, np.nan]])
    np.testing.assert_allclose(summary.per_class, [1, 7 / 8, 4 / 6])
    assert summary.mean == pytest.approx((7 / 8 + 4 / 6) / 2)
    np.testing.assert_allclose(summary.pooled, [1, 16 / 18, 4 / 6])
    assert summary.pooled_mean == pytest.approx((16 / 18 + 4 / 6) / 2)


@pytest.mark.parametrize("shape", [(0, 3, 3), (3, 3), (2, 3, 4)])
def test_summaries_of_nothing_are_refused(shape):
    with pytest.raises(ParameterError, match="samples, classes, classes"):
        metrics.summarize(np.zeros(shape, int))


def test_no_foreground_has_no_mean():
    assert np.isnan(metrics.mean_iou(np.array([[5, 0], [0, 0]])))
    assert np.isnan(metrics.mean_iou(np.array([1.0, np.nan, np.nan])))


def test_standard_error_equals_scipy():
    from scipy.stats import sem

    values = np.random.default_rng(0).random((4, 3))
    np.testing.assert_allclose(metrics.standard_error(values), sem(values))
    values[1, 2] = np.nan
    np.testing.assert_allclose(metrics.standard_error(values)[2], sem(values[[0, 2, 3], 2]))
    assert np.isnan(metrics.standard_error([0.9])).all()
    assert np.isnan(metrics.standard_error([[0.9, np.nan], [0.8, 0.7]])[1])
