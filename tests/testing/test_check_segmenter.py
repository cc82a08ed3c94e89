"""check_segmenter on sound segmenters, and on ones that are broken in one way each."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, check_random_state

from srseg import MultiAxisEnsemble, Volume, VolumeSegmenter
from srseg.errors import PluginError
from srseg.estimators._inputs import read_inputs
from srseg.estimators._voting import truth_on_grid
from srseg.labels import LabelTable
from srseg.metrics import confusion, summarize
from srseg.testing import check_segmenter


class Good(BaseEstimator):
    """The nearest class by mean grey value; the others break it in one way each."""

    def __init__(self, *, softness=100.0, random_state=None):
        self.softness = softness
        self.random_state = random_state

    def fit(self, X, y=None):
        samples = read_inputs(X, y, voxel_size=5.0, labelled=True).samples
        table = samples[0].labels().table
        self.table_ = table or LabelTable.from_values(
            np.unique(np.stack([s.labels().read() for s in samples]))
        )
        grey = np.concatenate([s.scan.read().ravel() for s in samples])
        classes = np.concatenate(
            [truth_on_grid(s, s.scan.grid, self.table_).ravel() for s in samples]
        )
        self.means_ = np.array([grey[classes == i].mean() for i in range(len(self.table_))])
        self.means_ += check_random_state(self.random_state).normal(size=len(self.table_))
        return self

    def predict_proba(self, X):
        check_is_fitted(self)
        inputs = read_inputs(X, voxel_size=5.0)
        found = [self._proba(s.scan.read()) for s in inputs.samples]
        return found[0] if inputs.single else found

    def _proba(self, scan):
        distance = abs(scan[None] - self.means_[:, None, None, None]) / self.softness
        near = np.exp(-np.minimum(distance, 50))
        return near / near.sum(0)

    def _label(self, scan):
        return self.table_.to_values(self._proba(scan).argmax(0))

    def predict(self, X):
        check_is_fitted(self)
        inputs = read_inputs(X, voxel_size=5.0)
        found = [self._label(s.scan.read()) for s in inputs.samples]
        if not inputs.arrays:
            grids = [s.scan.grid for s in inputs.samples]
            found = [Volume(f, g, table=self.table_) for f, g in zip(found, grids, strict=True)]
        if isinstance(X, np.ndarray) and X.ndim == 4:
            return np.stack(found)
        return found[0] if inputs.single else found

    def score(self, X, y=None):
        samples = read_inputs(X, y, voxel_size=5.0).samples
        counts = [
            confusion(
                truth_on_grid(s, s.scan.grid, self.table_),
                self._proba(s.scan.read()).argmax(0),
                len(self.table_),
            )
            for s in samples
        ]
        return float(summarize(np.stack(counts)).mean)


class NoScore(BaseEstimator):
    def fit(self, X, y=None):
        return self

    predict = fit


class ChangesInInit(Good):
    def __init__(self, *, softness=100.0, random_state=None):
        super().__init__(softness=softness * 1.0 + 1, random_state=random_state)


class AnswersUnfitted(Good):
    def predict(self, X):
        return np.zeros(X.shape, np.uint8) if not hasattr(self, "table_") else super().predict(X)


class TakesEmpty(Good):
    def fit(self, X, y=None):
        return super().fit(X, y) if len(X) else self


class WrongError(Good):
    def fit(self, X, y=None):
        if y is None and isinstance(X[0], np.ndarray):
            raise KeyError("y")
        return super().fit(X, y)


class ReturnsNone(Good):
    def fit(self, X, y=None):
        super().fit(X, y)


class ChangesParameters(Good):
    def fit(self, X, y=None):
        self.softness = 3.0
        return super().fit(X, y)


class ChangesVolumes(Good):
    def fit(self, X, y=None):
        super().fit(X, y)
        if isinstance(X[0], np.ndarray):
            X[0] /= 2
        return self


class ChangesTheScan(Good):
    def predict(self, X):
        labels = super().predict(X)
        if isinstance(X, np.ndarray):
            X[...] = 0
        return labels


class Forgetful(Good):
    def predict(self, X):
        labels = super().predict(X)
        self.means_ = self.means_ + 100
        return labels


class AlwaysAList(Good):
    def predict(self, X):
        labels = super().predict(X)
        return labels if isinstance(labels, list) else [labels]


class NeverAList(Good):
    def predict(self, X):
        labels = super().predict(X)
        return tuple(labels) if isinstance(labels, list) else labels


class WiderLabels(Good):
    def _label(self, scan):
        return super()._label(scan).astype(np.int64)


class Unlabelled(Good):
    def _label(self, scan):
        labels = super()._label(scan)
        labels[0, 0] = 255
        return labels


class Transposed(Good):
    def _label(self, scan):
        return super()._label(scan.T)


class ByCompany(Good):
    def predict(self, X):
        labels = super().predict(X)
        return [a[::-1] for a in labels] if isinstance(labels, list) and len(X) > 1 else labels


class Logits(Good):
    def predict_proba(self, X):
        return np.log(super().predict_proba(X))


class NotOne(Good):
    def predict_proba(self, X):
        return super().predict_proba(X) / 2


class ClassesLast(Good):
    def predict_proba(self, X):
        return np.moveaxis(super().predict_proba(X), 0, -1)


class Accuracy(Good):
    def score(self, X, y=None):
        return float(np.mean([np.mean(p == t) for p, t in zip(self.predict(X), y, strict=True)]))


class NotPickled(Good):
    def __getstate__(self):
        return {**super().__getstate__(), "means_": np.zeros(4)}


class Unpicklable(Good):
    def fit(self, X, y=None):
        self.function_ = lambda: None
        return super().fit(X, y)


class GlobalChance(Good):
    def fit(self, X, y=None):
        super().fit(X, y)
        self.means_ = self.means_ + 50 * np.random.rand(len(self.means_))  # noqa: NPY002
        return self


class GlobalTorchChance(Good):
    def fit(self, X, y=None):
        super().fit(X, y)
        self.means_ = self.means_ + 50 * torch.rand(len(self.means_)).numpy()
        return self


class GoesOn(Good):
    def fit(self, X, y=None):
        before = getattr(self, "means_", 0)
        super().fit(X, y)
        self.means_ = self.means_ + before / 4
        return self


class ArraysOnly(Good):
    def predict(self, X):
        labels = super().predict(X)
        return labels.read() if isinstance(labels, Volume) else labels


class NoTable(Good):
    def predict(self, X):
        labels = super().predict(X)
        return Volume(labels.source, labels.grid) if isinstance(labels, Volume) else labels


class PositionsForValues(Good):
    def _label(self, scan):
        return self._proba(scan).argmax(0).astype(np.uint8)


class OneTooMany(Good):
    def predict_proba(self, X):
        found = super().predict_proba(X)
        return np.concatenate([found, 0 * found[:1]]) if len(found) == 3 else found


class NeedsEveryVoxel(Good):
    def fit(self, X, y=None):
        if y is None and not isinstance(X[0], np.ndarray) and (X[0].labels().read() == 255).any():
            raise IndexError("index 255 is out of bounds")
        return super().fit(X, y)


def segmenter():
    return VolumeSegmenter(
        width=2, depth=1, input_size=8, max_iter=2, batch_size=2, precision="fp32"
    )


@pytest.mark.parametrize(
    "estimator",
    [
        Good(),
        segmenter(),
        segmenter().set_params(voxel_size=2.5, recipe="paper", max_iter=2, validation=0.5),
        MultiAxisEnsemble(segmenter(), planes=3),
        MultiAxisEnsemble(segmenter(), planes=["rc", "cp@45p"], voting="hard"),
    ],
    ids=["plugin", "segmenter", "segmenter otherwise", "ensemble", "ensemble otherwise"],
)
def test_sound_segmenters_pass_and_nothing_is_left_behind(estimator):
    before = clone(estimator).get_params()
    states = joblib.hash([np.random.get_state(), torch.get_rng_state().numpy()])  # noqa: NPY002
    check_segmenter(estimator)
    assert joblib.hash([np.random.get_state(), torch.get_rng_state().numpy()]) == states  # noqa: NPY002
    assert str(estimator.get_params()) == str(before)
    assert not [name for name in vars(estimator) if name.endswith("_")]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (NoScore(), "NoScore has no score; a segmenter needs all"),
        (ChangesInInit(), "cannot be cloned .*__init__ must store"),
        (object(), "has no fit, predict, score"),
        (AnswersUnfitted(), "gave labels before fit; .*check_is_fitted"),
        (TakesEmpty(), "fit accepted no volume at all"),
        (WrongError(), "answered scans without labels with KeyError"),
        (ReturnsNone(), "fit returned None; return self"),
        (ChangesParameters(), "changed the estimator's own parameters"),
        (ChangesVolumes(), "changed the volumes"),
        (ChangesTheScan(), "changed the scan"),
        (Forgetful(), "other labels for the same scan again"),
        (AlwaysAList(), "gave a list; give label values as an array of uint8"),
        (NeverAList(), "of a list of two scans gave a tuple"),
        (WiderLabels(), "type int64; give label values as an array of uint8"),
        (Unlabelled(), r"gave the values \[255\]"),
        (Transposed(), r"shape \(12, 17, 15\) gave an array of shape \(15, 17, 12\)"),
        (ByCompany(), "alone than among others"),
        (Logits(), "probabilities are 0 to 1"),
        (NotOne(), r"add up to 0\.5"),
        (ClassesLast(), r"give an array of shape \(K, Z, Y, X\) = \(4, 12, 17, 15\)"),
        (Accuracy(), "the mean IoU of what predict gives is"),
        (NotPickled(), "other labels after pickling"),
        (Unpicklable(), "pickling Unpicklable failed"),
        (GlobalChance(), "not from a global random state"),
        (GlobalTorchChance(), "not from a global random state"),
        (GoesOn(), "start anew in fit"),
        (ArraysOnly(), "of a sample gave an array .*; give a Volume on the grid"),
        (NoTable(), "with the table None"),
        (
            PositionsForValues(),
            r"predict gave \[2\] after it was fitted on .* have \[0, 1, 3\] alone",
        ),
        (OneTooMany(), r"gave 4 classes after .* labels have 3: \[0, 1, 3\]"),
        (NeedsEveryVoxel(), r"fit on samples failed \(IndexError: index 255"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_broken_segmenter_is_told_what_it_breaks(broken, words):
    with pytest.raises(PluginError, match=rf"(?s){words}"):
        check_segmenter(broken)
