"""The second stage: what it finds, what it leaves as it is, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, KFold
from srseg_cracks import CrackSegmenter

from srseg import LabelTable, MultiAxisEnsemble, Volume, VolumeSegmenter
from srseg.errors import ParameterError, UnknownNameError, UnsupportedEstimatorError
from srseg.estimators import BaseSegmenter, create_segmenter, list_segmenters
from srseg.evaluation import evaluate_labels
from srseg.progress import Stopped, stoppable
from srseg.testing import check_segmenter
from srseg.training import logging_to


@pytest.fixture(scope="module")
def fitted(tiny, samples, first):
    learning = {**tiny, "width": 4, "max_iter": 60, "batch_size": 4, "learning_rate": 0.02}
    return CrackSegmenter(FrozenEstimator(first), **learning).fit(samples[:2])


def test_the_contract_is_kept():
    assert "cracks" in list_segmenters()
    check_segmenter(create_segmenter("cracks", **CrackSegmenter.test_parameters()))


def recall(sample, labels):
    crack = (sample.labels("HQ").read() == 0) & (sample.labels("WF").read() == 2)
    return (labels.read()[crack] == 0).mean()


def test_cracks_are_found_that_the_labels_do_not_show(samples, first, fitted):
    held_out = samples[2]
    before, after = first.predict(held_out), fitted.predict(held_out)
    assert recall(held_out, before) < 0.2
    assert recall(held_out, after) > 0.6
    iou = [evaluate_labels([(held_out.labels("HQ"), found)]).summary.per_class[1]
           for found in (before, after)]  # fmt: skip
    assert iou[1] > iou[0]
    shares = [one.predict_proba(held_out) for one in (first, fitted)]
    assert (shares[1][0] - shares[0][0]).min() > -1e-3  # nothing becomes layer


def test_planes_are_fused(samples, fitted):
    ensemble = MultiAxisEnsemble(FrozenEstimator(fitted), planes=3).fit(None)
    assert recall(samples[2], ensemble.predict(samples[2])) > 0.3


def test_a_frozen_estimator_is_taken_as_it_is(first, fitted):
    assert fitted.estimator_ is first
    assert fitted.training_samples_ == ["S0", "S1"]
    assert fitted.validation_samples_ == []


def test_scans_are_predicted_as_slices_are(samples, fitted):
    (predictor,) = fitted.slice_predictors("torch")
    predictor.prepare([(3, 28, 32)])
    scan = samples[2].scan.read()[10:13]
    slices = np.clip(scan, 0, 1).astype(np.float32)
    found = predictor(torch.from_numpy(slices)).numpy()
    np.testing.assert_allclose(found, fitted.predict_slices_proba(slices), atol=1e-3)
    alone = fitted.predict_slices_proba(slices[1:2])
    np.testing.assert_allclose(alone, found[1:2], atol=1e-3)
    assert predictor.runtime == "function and torch"
    assert (fitted.stride, fitted.reach) == (2, 12)


def test_a_prediction_in_a_folder_goes_on(samples, fitted, tmp_path):
    sample = samples[2]
    with fitted.prepare_prediction(sample, scratch=tmp_path / "votes") as prediction:
        prediction.run()
        expected = prediction.labels.read()
    with fitted.prepare_prediction(sample, scratch=tmp_path / "votes") as prediction:
        assert prediction.resumes
        prediction.run()
        np.testing.assert_array_equal(prediction.labels.read(), expected)
        assert prediction.stages.slabs == 0


def test_a_name_or_nothing_stands_for_a_network_like_the_second(tiny, samples):
    for given in (None, "unet"):
        fitted = CrackSegmenter(given, **tiny).fit(samples[:2])
        assert fitted.estimator_.width == tiny["width"]
        assert fitted.estimator_.random_state == tiny["random_state"]
        assert not fitted.estimator_.clean_labels
        assert fitted.crack_network_.clean_labels
        assert fitted.crack_network_.augment.cracks == 0.9


def test_the_same_subjects_are_held_out_of_both(tiny, samples):
    fitted = CrackSegmenter(**{**tiny, "validation": 1}).fit(samples)
    assert fitted.estimator_.validation_samples_ == fitted.crack_network_.validation_samples_
    assert fitted.validation_samples_ == fitted.estimator_.validation_samples_
    assert len(fitted.training_samples_) == 2


def test_it_can_be_searched(tiny, samples):
    segmenter = CrackSegmenter(VolumeSegmenter(**tiny), **tiny)
    grid = {"estimator__width": [2, 3], "cracks": [0.5]}
    search = GridSearchCV(segmenter, grid, cv=KFold(2)).fit(samples)
    assert search.best_params_["cracks"] == 0.5
    assert search.best_estimator_.estimator_.width == search.best_params_["estimator__width"]
    assert 0 <= search.best_score_ <= 1


class StopAt:
    """Asks to stop when a training has come to its first record."""

    def __init__(self, stop):
        self.stop = stop

    def begin(self, history):
        pass

    def add(self, record):
        self.stop()


def test_what_is_stopped_in_the_second_stage_is_fitted(tiny, samples, first):
    segmenter = CrackSegmenter(FrozenEstimator(first), **{**tiny, "max_iter": 50})
    with stoppable() as stop, logging_to(StopAt(stop)), pytest.raises(Stopped):
        segmenter.fit(samples[:2])
    assert segmenter.crack_network_.history_.stopped
    assert segmenter.predict(samples[2]).shape == samples[2].scan.shape


class Blocks(BaseSegmenter):
    """Labels blocks, and no slices."""

    def learn(self, volumes, rng):
        pass

    def predict_block_proba(self, block):
        return np.stack([block, 1 - block])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"cracks": 0}, ParameterError, "cracks is the probability .* found 0"),
        ({"cracks": True}, ParameterError, "cracks is the probability"),
        ({"crack_classes": ("bone",)}, ParameterError, "crack_classes are .* two names"),
        ({"crack_classes": ("bone", "bone")}, ParameterError, "crack_classes are"),
        (
            {"crack_classes": ("layer", "background")},
            UnknownNameError,
            "no class 'layer'",
        ),
        ({"clean_labels": 2}, ParameterError, "clean_labels is True or False, found 2"),
        ({"estimator": 3}, ParameterError, "estimator is a segmenter, .* found 3"),
        ({"estimator": "nobody"}, UnknownNameError, "no segmenter 'nobody'"),
        ({"estimator": "no.srseg"}, FileNotFoundError, "no.srseg: no such model file"),
        (
            {"estimator": FrozenEstimator(VolumeSegmenter())},
            ParameterError,
            "VolumeSegmenter that stays as it is .* was never fitted",
        ),
        ({"estimator": Blocks()}, UnsupportedEstimatorError, "Blocks does not label slices"),
        ({"voxel_size": 7.0, "estimator": VolumeSegmenter()}, ParameterError, "voxel_size is 7"),
        ({"width": 0}, ParameterError, "width must be an integer"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    tiny, samples, monkeypatch, given, error, words
):
    monkeypatch.setattr(VolumeSegmenter, "fit", lambda *_: pytest.fail("it was trained"))
    labelled = VolumeSegmenter(labels=samples[0].labels().table, **tiny)
    with pytest.raises(error, match=words):
        CrackSegmenter(**{**tiny, "estimator": labelled, **given}).fit(samples[:2])


def test_classes_that_the_labels_lack_are_told_with_those_there_are(tiny, samples):
    table = LabelTable.from_values({0, 2})
    bare = [
        replace(
            sample,
            label_sets={"WF": Volume(sample.labels("WF").read(), sample.scan.grid, table=table)},
        )
        for sample in samples[:2]
    ]
    with pytest.raises(UnknownNameError, match=r"no class 'degradation layer'.*class 2"):
        CrackSegmenter(**tiny).fit(bare)
    fitted = CrackSegmenter(crack_classes=(1, 0), **tiny).fit(bare)
    assert fitted.predict(samples[2]).shape == samples[2].scan.shape


def test_not_fitted(samples):
    with pytest.raises(NotFittedError):
        CrackSegmenter().predict(samples[0])
