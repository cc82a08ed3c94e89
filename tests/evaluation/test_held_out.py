"""Models of folds on what they did not see."""

from types import SimpleNamespace

import numpy as np
import pytest

from srseg import VolumeSegmenter
from srseg.errors import ParameterError
from srseg.evaluation import evaluate_held_out, evaluate_labels, held_out_samples, make_folds
from srseg.labels import DEFAULT_LABELS
from srseg.volumes import ArraySample, Volume


def make_sample(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 13, 14), np.uint8)
    labels[3:9, 3:9, 2:5], labels[3:9, 3:9, 5:8], labels[3:9, 3:9, 8:11] = 1, 2, 3
    scan = 1000 + 400.0 * labels + rng.normal(0, 40, labels.shape)
    volume = Volume.from_array(labels, 5.0, table=DEFAULT_LABELS)
    return ArraySample(f"S{seed}", Volume.from_array(scan.astype(np.float32), 5.0), {"WF": volume})


@pytest.fixture(scope="module")
def samples():
    return [make_sample(i) for i in range(4)]


@pytest.fixture(scope="module")
def models(samples):
    segmenter = {
        "width": 2, "depth": 1, "input_size": 8, "max_iter": 2, "batch_size": 2, "validation": None,
        "device": "cpu",
    }  # fmt: skip
    return [
        VolumeSegmenter(**segmenter, random_state=i).fit([samples[j] for j in train])
        for i, (train, _) in enumerate(make_folds(samples[:3], 3).splits)
    ]


def test_each_model_is_scored_on_its_own_fold(samples, models):
    folds = held_out_samples(models, samples)
    names = [[sample.name for sample in fold] for fold in folds]
    assert sorted(names) == [["S0"], ["S1"], ["S2"]]  # S3 took no part
    table = evaluate_held_out(models, samples, planes=[1, 3], voting=["soft"])
    assert [row.key for row in table.rows] == ["single", "soft3"]
    for model, fold, found in zip(models, folds, table.rows[0].per_model, strict=True):
        expected = evaluate_labels([(fold[0].labels(), model.predict(fold[0]))])
        np.testing.assert_allclose(found, expected.summary.per_class[1:])


def test_models_that_saw_the_same_have_nothing_held_out(samples, models):
    assert held_out_samples([models[0], models[0]], samples) == [[], []]
    with pytest.raises(ParameterError, match="model 1, 2 has no held-out sample"):
        evaluate_held_out([models[0], models[0]], samples)
    with pytest.raises(ParameterError, match="the models of the folds of one cross-validation"):
        evaluate_held_out([], samples)


def test_what_judged_a_training_is_not_held_out_unless_it_is_all_there_is(samples):
    def names(judges):
        told = [
            SimpleNamespace(training_samples_=m.training_samples_, validation_samples_=judge)
            for m, judge in zip(trained, judges, strict=True)
        ]
        return [[sample.name for sample in fold] for fold in held_out_samples(told, samples)]

    trained = [SimpleNamespace(training_samples_=[one]) for one in ("S0", "S1", "S2")]
    # each learned from one, was judged by another, and has the third for its fold
    assert names([["S1"], ["S2"], ["S0"]]) == [["S2"], ["S0"], ["S1"]]
    # the held-out fold as the judge
    assert names([["S1", "S2"], ["S0", "S2"], ["S0", "S1"]]) == [
        ["S1", "S2"], ["S0", "S2"], ["S0", "S1"]
    ]  # fmt: skip
