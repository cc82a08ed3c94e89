"""Label volumes against the truth, on different grids and with gaps."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from srseg.errors import GridError, LabelError, ParameterError
from srseg.evaluation import evaluate_labels
from srseg.labels import DEFAULT_LABELS, LabelClass, LabelTable
from srseg.volumes import Grid, Volume


def labels(array, voxel_size=5.0, table=DEFAULT_LABELS, origin=(0, 0, 0)):
    array = np.asarray(array, np.uint8)
    return Volume(array, Grid(array.shape, (voxel_size,) * 3, origin), table=table)


def random_labels(seed, shape=(70, 9, 8)):
    return np.random.default_rng(seed).integers(0, 4, shape)


def test_equals_scikit_learn_over_several_slabs():
    pairs = [(random_labels(i), random_labels(i + 10)) for i in range(3)]
    scores = evaluate_labels((labels(t), labels(p)) for t, p in pairs)
    expected = [
        jaccard_score(t.ravel(), p.ravel(), labels=range(4), average=None) for t, p in pairs
    ]
    np.testing.assert_allclose(scores.summary.per_sample, expected)
    assert scores.samples == ("1", "2", "3")
    assert scores.confusions.sum(axis=(1, 2)).tolist() == [70 * 9 * 8] * 3


def test_values_of_the_table_need_not_be_positions():
    table = LabelTable((LabelClass(0, "air"), LabelClass(10, "bone"), LabelClass(200, "metal")))
    truth, prediction = (np.array([0, 10, 200])[random_labels(i) % 3] for i in (0, 1))
    scores = evaluate_labels([(labels(truth, table=table), labels(prediction, table=table))])
    expected = jaccard_score(truth.ravel(), prediction.ravel(), average=None)
    np.testing.assert_allclose(scores.summary.per_class, expected)


def test_the_truth_comes_to_the_grid_of_the_prediction():
    coarse = random_labels(0, (6, 5, 4))
    fine = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    truth = labels(fine, 2.5, origin=(-1.25, -1.25, -1.25))
    scores = evaluate_labels([(truth, labels(coarse))])
    assert scores.summary.mean == 1
    assert scores.confusions.sum() == coarse.size


def test_what_nobody_labelled_and_what_the_truth_does_not_reach_is_not_counted():
    prediction = random_labels(0, (4, 6, 6))
    truth = prediction[1:, :, :3].copy()
    truth[0] = 255
    scores = evaluate_labels([(labels(truth, origin=(5, 0, 0)), labels(prediction))])
    assert scores.confusions.sum() == 2 * 6 * 3
    assert scores.summary.mean == 1


def test_other_tables_and_missing_ones_are_refused_by_name():
    other = LabelTable.from_values(range(4))
    right = labels(random_labels(0))
    with pytest.raises(LabelError, match="S1: the prediction has another label table"):
        evaluate_labels([(right, labels(random_labels(1), table=other))], ["S1"])
    bare = Volume.from_array(np.zeros((70, 9, 8), np.uint8), 5.0)
    with pytest.raises(LabelError, match="S1: the truth has no label table"):
        evaluate_labels([(bare, right)], ["S1"])
    alien = labels(random_labels(1), table=other)
    with pytest.raises(LabelError, match="2: the truth has another"):
        evaluate_labels([(right, right), (alien, alien)])


def test_foreign_values_in_the_prediction_are_refused():
    truth = random_labels(0)
    prediction = truth.copy()
    prediction[66, 0, 0] = 9
    with pytest.raises(LabelError, match=r"S1: .*value 9"):
        evaluate_labels([(labels(truth), labels(prediction))], ["S1"])


def test_what_lies_outside_of_the_field_of_view_is_neither_right_nor_wrong():
    truth = random_labels(0)
    prediction = truth.copy()
    prediction[:, 0] = 255
    scores = evaluate_labels([(labels(truth), labels(prediction))], ["S1"])
    assert scores.confusions.sum() == truth[:, 1:].size
    assert scores.summary.mean == 1


def test_nothing_in_common_is_refused():
    there = labels(random_labels(0))
    with pytest.raises(GridError, match=r"S1: .*do not overlap"):
        evaluate_labels([(labels(random_labels(1), origin=(1e4, 0, 0)), there)], ["S1"])
    with pytest.raises(LabelError, match="S1: the truth labels no voxel"):
        evaluate_labels([(labels(np.full((70, 9, 8), 255)), there)], ["S1"])
    with pytest.raises(LabelError, match="S1: the truth labels no voxel that the prediction"):
        evaluate_labels([(there, labels(np.full((70, 9, 8), 255)))], ["S1"])


def test_names_and_pairs_must_match():
    pair = (labels(random_labels(0)), labels(random_labels(1)))
    with pytest.raises(ParameterError, match="no pair"):
        evaluate_labels([])
    with pytest.raises(ParameterError, match="2 names for 1 pairs"):
        evaluate_labels([pair], ["a", "b"])
    with pytest.raises(ParameterError, match="more pairs than names"):
        evaluate_labels([pair, pair], ["a"])
