"""MultiAxisEnsemble over VolumeSegmenter and over whatever else predicts slices."""

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from srseg import MultiAxisEnsemble, Volume
from srseg.errors import ParameterError, UnknownNameError, UnsupportedEstimatorError
from srseg.estimators import SliceSegmenter, predict_together
from srseg.inference import PlanePrediction
from srseg.labels import LabelTable
from srseg.planes import Plane, standard_planes


def state(segmenter):
    weights = {k: v.numpy() for k, v in segmenter.network_.state_dict().items()}
    # how long it took is not what it is
    records = [{**record, "seconds": 0} for record in segmenter.history_.records]
    return joblib.hash([weights, records, segmenter.get_params()])


@pytest.fixture(scope="module")
def image(boxes):
    scan, _ = boxes(5)
    low, high = np.percentile(scan, [0.5, 99.9])
    return ((scan.astype(float) - low) / (high - low)).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("planes", [1, 3, 9, ["rc", Plane(1, 0, 45.0)]], ids=str)
def test_a_frozen_estimator_is_fused_and_not_trained_again(trained, boxes, image, planes, voting):
    before = state(trained)
    ensemble = MultiAxisEnsemble(FrozenEstimator(trained), planes=planes, voting=voting)
    assert ensemble.fit([boxes(0)[0]], [boxes(0)[1]]) is ensemble
    assert state(trained) == before
    assert ensemble.estimator_.network_ is trained.network_
    volume = Volume.from_array(image, 5.0, normalised=True)
    given = standard_planes(planes) if isinstance(planes, int) else (Plane(0), Plane(1, 0, 45.0))
    assert ensemble.planes_ == given
    with PlanePrediction(
        trained.slice_predictors(), image.shape, [(given, voting)], n_classes=3,
        stride=trained.stride, reach=trained.reach,
    ) as prediction:  # fmt: skip
        (expected,) = prediction.run(lambda box: image[box])
        np.testing.assert_array_equal(ensemble.predict(volume).read(), expected.classes(0, 16))
        np.testing.assert_array_equal(ensemble.predict_proba(volume), expected.probabilities(0, 16))


def test_one_plane_is_what_the_segmenter_predicts(trained, boxes):
    scan, labels = boxes(5)
    ensemble = MultiAxisEnsemble(FrozenEstimator(trained), planes=1).fit(scan, labels)
    np.testing.assert_array_equal(ensemble.predict(scan), trained.predict(scan))
    assert ensemble.score(scan, labels) == trained.score(scan, labels)


def test_more_planes_fused_are_better_than_one(trained, boxes):
    X, y = (list(v) for v in zip(*[boxes(i) for i in (10, 11)], strict=True))
    scores = [
        MultiAxisEnsemble(FrozenEstimator(trained), planes=n).fit(X, y).score(X, y) for n in (1, 3)
    ]
    assert scores[1] >= scores[0]
    assert scores[1] > 0.85


def test_an_estimator_is_cloned_and_fitted(small, boxes):
    X, y = boxes(0)
    segmenter = small()
    ensemble = MultiAxisEnsemble(segmenter, planes=3).fit(X, y)
    assert not hasattr(segmenter, "network_")
    assert ensemble.estimator is segmenter
    assert state(ensemble.estimator_) == state(small().fit(X, y))
    assert not hasattr(clone(ensemble), "estimator_")
    wider = clone(ensemble).set_params(estimator__width=2, planes=1).fit(X, y)
    assert wider.estimator_.width == 2
    assert segmenter.width == 4


def test_ensembles_of_one_estimator_predict_together(trained, make_sample):
    frozen = FrozenEstimator(trained)
    sample = make_sample(5)
    ensembles = [
        MultiAxisEnsemble(frozen, planes=planes, voting=voting).fit([sample])
        for planes, voting in ((1, "soft"), (3, "hard"), (9, "soft"))
    ]
    for ensemble, found in zip(ensembles, predict_together(ensembles, sample), strict=True):
        expected = ensemble.predict(sample)
        assert found.grid == expected.grid
        assert found.table == expected.table
        np.testing.assert_array_equal(found.read(), expected.read())
    other = MultiAxisEnsemble(FrozenEstimator(clone(trained).set_params(max_iter=1).fit([sample])))
    with pytest.raises(ParameterError, match="one fitted estimator"):
        predict_together([ensembles[0], other.fit([sample])], sample)


def test_descriptions_name_planes_and_voting(trained, boxes):
    def described(planes, voting="soft"):
        ensemble = MultiAxisEnsemble(FrozenEstimator(trained), planes=planes, voting=voting)
        return ensemble.fit(*boxes(0)).description

    assert [described(1), described(3, "hard"), described(9)] == ["soft1", "hard3", "soft9"]
    assert described(["rc", "cp@-22.5p"]) == "softrc+cpminus22point5p"


class NearestMean(BaseEstimator):
    """A plugin that knows nothing of srseg but what `SliceSegmenter` asks for."""

    clip_ = (0.0, 100.0)
    voxel_size_ = None
    stride = 1
    reach = 0

    def fit(self, X, y=None):
        self.label_table_ = LabelTable.from_values(np.unique(y))
        low, high = np.min(X), np.max(X)
        grey = (np.asarray(X) - low) / (high - low)
        self.means_ = np.array([grey[np.asarray(y) == v].mean() for v in self.label_table_.values])
        return self

    def predict_slices_proba(self, slices):
        near = np.exp(-100 * (slices[:, None] - self.means_[:, None, None]) ** 2)
        return (near / near.sum(1, keepdims=True)).astype(np.float32)


def test_a_plugin_that_predicts_slices_can_be_fused(boxes):
    scan, labels = boxes(0)
    values = np.array([0, 5, 9], np.uint8)[labels]
    ensemble = MultiAxisEnsemble(NearestMean(), planes=9).fit([scan], [values])
    found = ensemble.predict(scan)
    assert set(np.unique(found)) == {0, 5, 9}
    assert ensemble.score(scan, values) > 0.8
    # it takes any voxel size
    volume = Volume.from_array(scan, 1.7)
    assert ensemble.predict(volume).grid == volume.grid
    one: SliceSegmenter = ensemble.estimator_
    assert one.predict_slices_proba(np.zeros((1, 2, 2), np.float32)).shape == (1, 3, 2, 2)


def test_what_cannot_be_fused_is_a_type_error_that_says_why(boxes):
    from sklearn.dummy import DummyClassifier

    scan, labels = boxes(0)
    with pytest.raises(
        UnsupportedEstimatorError, match=r"DummyClassifier has no predict_slices_proba"
    ) as caught:
        MultiAxisEnsemble(DummyClassifier()).fit([scan], [labels])
    assert isinstance(caught.value, TypeError)

    class Incomplete(NearestMean):
        stride = property()
        clip_ = property()

    with pytest.raises(UnsupportedEstimatorError, match=r"Incomplete .* has no stride, clip_;"):
        MultiAxisEnsemble(Incomplete()).fit([scan], [labels])


def test_what_is_not_fitted_says_so(small, boxes):
    scan, labels = boxes(0)
    ensemble = MultiAxisEnsemble(small())
    for work in (ensemble.predict, ensemble.predict_proba, lambda x: ensemble.score(x, labels)):
        with pytest.raises(NotFittedError):
            work(scan)
    with pytest.raises(NotFittedError):
        MultiAxisEnsemble(FrozenEstimator(small())).fit(scan, labels)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"planes": 5}, ParameterError, "1, 3 and 9"),
        ({"planes": ["xy"]}, UnknownNameError, "rc, cp or pr"),
        ({"voting": "median"}, ParameterError, "'median'"),
    ],
)
def test_parameters_are_checked_before_anything_is_trained(small, boxes, parameters, error, words):
    segmenter = small(max_iter=10**9)
    with pytest.raises(error, match=words):
        MultiAxisEnsemble(segmenter, **parameters).fit(*boxes(0))
