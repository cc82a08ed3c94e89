"""Scoring models over planes and voting; the predictions are made up, the scores are not."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from srseg.errors import LabelError, ParameterError, UnknownNameError
from srseg.estimators import MultiAxisEnsemble
from srseg.evaluation import evaluate_labels, evaluate_models
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.planes import standard_planes
from srseg.progress import reporting
from srseg.volumes import ArraySample, Volume

SHAPE = (5, 9, 8)


def label_volume(seed, table=DEFAULT_LABELS):
    array = np.random.default_rng(seed).integers(0, 4, SHAPE).astype(np.uint8)
    return Volume.from_array(array, 5.0, table=table)


def make_sample(i, target="WF"):
    scan = Volume.from_array(np.random.default_rng(i).random(SHAPE, dtype=np.float32), 5.0)
    label_sets = {"WF": label_volume(10 + i), "HQ": label_volume(20 + i)}
    return ArraySample(f"S{i}", scan, label_sets, target=target)


class GreyValueModel(BaseEstimator):
    """Predicts slices from grey values by rules that depend on the model; counts the slices."""

    stride, reach, voxel_size_, clip_ = 1, 0, 5.0, (0.0, 100.0)

    def __init__(self, seed=0, table=DEFAULT_LABELS):
        self.seed = seed
        self.table = table
        self.label_table_ = table
        self.slices_seen = 0

    def fit(self, X, y=None):
        raise AssertionError("a fitted model is never trained again")

    def predict_slices_proba(self, slices):
        self.slices_seen += len(slices)
        rng = np.random.default_rng(self.seed)
        slope, offset = rng.normal(0, 4, (2, 4, 1, 1))
        rows = np.arange(slices.shape[1])[None, None, :, None]  # planes must not all agree
        weight = np.exp(slope * slices[:, None] + offset + np.sin(rows))
        return (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def predictions(model, planes, voting, samples):
    """Predict one by one, as a user would."""
    ensemble = MultiAxisEnsemble(FrozenEstimator(model), planes=planes, voting=voting)
    return [ensemble.fit(samples).predict(sample) for sample in samples]


def test_every_row_of_the_table_is_the_score_of_its_predictions():
    samples = [make_sample(i) for i in range(3)]
    models = [GreyValueModel(7), GreyValueModel(8)]
    table = evaluate_models(models, samples, against="HQ", baselines=["WF"])
    rows = {row.key: row for row in table.rows}
    assert list(rows) == ["wf", "single", "soft3", "hard3", "soft9", "hard9"]
    assert [row.method for row in table.rows] == [
        "WF labels", "1 plane (rc)", "mean, 3 planes", "majority, 3 planes",
        "mean, 9 planes", "majority, 9 planes",
    ]  # fmt: skip
    assert table.against == "HQ"
    nine = sum(plane.stack_shape(SHAPE)[0] for plane in standard_planes(9))
    assert [model.slices_seen for model in models] == [3 * nine] * 2  # each plane once a sample
    for key, planes, voting in (("single", 1, "soft"), ("hard3", 3, "hard"), ("soft9", 9, "soft")):
        for i, model in enumerate(models):
            given = predictions(model, planes, voting, samples)
            expected = evaluate_labels(
                (s.labels("HQ"), p) for s, p in zip(samples, given, strict=True)
            )
            np.testing.assert_allclose(rows[key].per_model[i], expected.summary.per_class[1:])
            np.testing.assert_allclose(rows[key].per_sample[i], expected.summary.per_sample[:, 1:])
    workflow = evaluate_labels((s.labels("HQ"), s.labels("WF")) for s in samples)
    assert rows["wf"].mean == pytest.approx(workflow.summary.mean)
    assert len(rows["wf"].per_model) == 1


def test_planes_and_voting_are_chosen():
    model = GreyValueModel()
    table = evaluate_models([model], [make_sample(0)], against="HQ", planes=[3], voting=["hard"])
    assert [row.key for row in table.rows] == ["hard3"]
    assert model.slices_seen == sum(SHAPE)


def test_the_target_is_the_truth_where_no_set_is_named():
    samples = [make_sample(0, target="HQ"), make_sample(1, target="HQ")]
    table = evaluate_models([GreyValueModel()], samples, planes=[1])
    assert table.against == "HQ"
    named = evaluate_models([GreyValueModel()], samples, against="HQ", planes=[1])
    assert table.rows[0].mean == named.rows[0].mean
    mixed = evaluate_models(
        [GreyValueModel()], [make_sample(0, "HQ"), make_sample(1, "WF")], planes=[1]
    )
    assert mixed.against == "HQ / WF"


def test_label_sets_alone_can_be_scored():
    table = evaluate_models([], [make_sample(0)], against="HQ", baselines=["WF"])
    assert [row.key for row in table.rows] == ["wf"]


def test_progress_counts_every_scored_volume():
    told = []

    class Listener:
        def __init__(self, counted=False):
            self.counted = counted

        def open(self, description, total):
            if description == "evaluating":
                told.append(-total)
            return Listener(description == "evaluating")

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def advance(self, amount=1, status=""):
            if self.counted:
                told.append(amount)

    with reporting(Listener()):
        evaluate_models(
            [GreyValueModel(1), GreyValueModel(2)],
            [make_sample(0), make_sample(1)],
            against="HQ",
            baselines=["WF"],
        )
    assert told[0] == -(1 + 2 * 5) * 2
    assert sum(told) == 0


def test_mistakes_are_told_before_anything_is_predicted():
    samples = [make_sample(0)]
    with pytest.raises(ParameterError, match="'median'"):
        evaluate_models([GreyValueModel()], samples, voting=["median"])
    with pytest.raises(ParameterError, match="no sample"):
        evaluate_models([GreyValueModel()], [])
    with pytest.raises(ParameterError, match="no model and no baseline"):
        evaluate_models([], samples)
    with pytest.raises(ParameterError, match="'HQ' is the truth"):
        evaluate_models([GreyValueModel()], samples, against="HQ", baselines=["HQ"])
    with pytest.raises(UnknownNameError, match="S0 has no label set 'best'"):
        evaluate_models([GreyValueModel()], samples, against="best")
    with pytest.raises(UnknownNameError, match="S0 has no label set 'best'"):
        evaluate_models([GreyValueModel()], samples, against="HQ", baselines=["best"])


def test_a_model_of_another_table_is_refused():
    sample = make_sample(0)
    sample.label_sets["WF"] = label_volume(1, LabelTable.from_values(range(4)))
    with pytest.raises(LabelError, match="S0: the prediction has another label table"):
        evaluate_models([GreyValueModel()], [sample], against="WF", planes=[1])


def test_real_models_are_scored_along_their_planes():
    from srseg.estimators import VolumeSegmenter

    rng = np.random.default_rng(0)
    samples = []
    for i in range(2):
        array = np.zeros((16, 16, 16), np.uint8)
        array[4:12, 4:12, 4:12] = 1
        array[6:10, 6:10, 6:10] = 2 + i
        scan = 5000 + 1000.0 * array + rng.normal(0, 50, array.shape)
        labels = Volume.from_array(array, 5.0, table=DEFAULT_LABELS)
        samples.append(ArraySample(f"S{i}", Volume.from_array(scan, 5.0), {"WF": labels}))
    segmenter = VolumeSegmenter(
        width=2, depth=1, input_size=16, max_iter=2, batch_size=2, validation=None, random_state=0
    ).fit(samples)
    table = evaluate_models([segmenter], samples, planes=[1, 3], voting=["soft"])
    assert [row.key for row in table.rows] == ["single", "soft3"]
    alone = evaluate_labels((s.labels(), segmenter.predict(s)) for s in samples)
    assert table.rows[0].mean == pytest.approx(alone.summary.mean)
