"""scikit-learn's model selection on arrays, samples and a dataset on disk."""

import shutil

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score

from srseg import DEFAULT_LABELS, Dataset, MultiAxisEnsemble, load_model
from srseg.io import write_volume
from srseg.phantoms import make_phantom

N = 8


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Eight small phantoms of four subjects, with WF and true labels."""
    folder = tmp_path_factory.mktemp("phantoms")
    study = Dataset.create(folder / "study")
    for i in range(N):
        phantom = make_phantom(i, (40, 40, 40), voxel_size=5.0)
        parts = {"scan": phantom.scan, "WF": phantom.wf, "HQ": phantom.truth}
        for name, volume in parts.items():
            write_volume(folder / f"{i}-{name}.mha", volume)
        study.add_sample(folder / f"{i}-scan.mha", name=f"P{i}", subject=f"{i // 2}")
        for name in ("WF", "HQ"):
            study.add_labels(folder / f"{i}-{name}.mha", sample=f"P{i}", label_set=name)
    return Dataset(folder / "study")


@pytest.fixture(scope="module")
def arrays(boxes):
    scans, labels = zip(*[boxes(i) for i in range(N)], strict=True)
    return list(scans), list(labels)


@pytest.fixture
def quick(small):
    return small(max_iter=2)


GRID = {"width": [4, 8], "depth": [2, 3]}


def require_searched(search, folds=4, candidates=4):
    results = search.cv_results_
    scores = np.array([results[f"split{i}_test_score"] for i in range(folds)])
    assert scores.shape == (folds, candidates)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    assert 0 <= search.best_score_ <= 1


@pytest.mark.usefixtures("processes")
def test_a_grid_search_over_a_dataset_in_two_processes(quick, dataset):
    search = GridSearchCV(quick, GRID, cv=4, n_jobs=2).fit(dataset)
    require_searched(search)
    best = search.best_estimator_
    assert best.training_samples_ == dataset.names
    assert best.label_table_ == DEFAULT_LABELS
    assert (best.network_.stride, best.width) == (2**best.depth, best.width)
    prediction = search.predict(dataset[0])
    assert prediction.grid == dataset[0].scan.grid
    assert search.score(dataset[:2]) == best.score(dataset[:2])


def test_a_grid_search_over_arrays_with_three_classes(quick, arrays):
    search = GridSearchCV(quick, GRID, cv=4).fit(*arrays)
    require_searched(search)
    np.testing.assert_array_equal(search.best_estimator_.classes_, [0, 1, 2])


def test_a_grid_search_over_an_ensemble(quick, arrays):
    search = GridSearchCV(
        MultiAxisEnsemble(quick, planes=3),
        {"estimator__width": [2, 4], "voting": ["soft", "hard"]},
        cv=2,
    ).fit(*arrays)
    require_searched(search, folds=2)
    assert search.best_estimator_.estimator_.width in (2, 4)
    assert quick.width == 4


def test_a_search_gives_the_scores_of_fitting_by_hand(quick, arrays):
    X, y = arrays
    search = GridSearchCV(quick, {"width": [2, 4]}, cv=KFold(2), refit=False).fit(X, y)
    by_hand = clone(quick).set_params(width=2).fit(X[4:], y[4:]).score(X[:4], y[:4])
    assert search.cv_results_["split0_test_score"][0] == by_hand


def test_cross_validation_by_subject(quick, dataset):
    seen = []

    class Noting(GroupKFold):
        def split(self, X, y=None, groups=None):
            for train, test in super().split(X, y, groups):
                seen.append((set(X[train].subjects), set(X[test].subjects)))
                yield train, test

    scores = cross_val_score(quick, dataset, groups=dataset.subjects, cv=Noting(4))
    assert scores.shape == (4,)
    assert np.isfinite(scores).all()
    assert len(seen) == 4
    assert not any(train & test for train, test in seen)


@pytest.mark.parametrize("arrange", [np.stack, list], ids=["one array", "list"])
def test_cross_validation_on_arrays(quick, arrays, arrange):
    X, y = (arrange(a) for a in arrays)
    scores = cross_val_score(quick, X, y, cv=2)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, cross_val_score(quick, *arrays, cv=2))


def test_one_volume_is_cross_validated_by_slabs(quick, arrays):
    scan, labels = arrays[0][0], arrays[1][0]
    scores = cross_val_score(quick, scan, labels, cv=2)
    half = len(scan) // 2
    top, bottom = slice(None, half), slice(half, None)
    for score, train, test in zip(scores, (bottom, top), (top, bottom), strict=True):
        fitted = clone(quick).fit(scan[train], labels[train])
        assert score == fitted.score(scan[test], labels[test])


def test_the_names_a_user_types(small, dataset, tmp_path):
    """DESIGN's example, from the folder to the saved model."""
    train = dataset.select(has="WF")[:4]
    test = dataset.select(has="HQ").with_target("HQ")[6:]
    segmenter = small(max_iter=20, learning_rate=0.01).fit(train)
    assert segmenter.training_samples_ == ["P0", "P1", "P2", "P3"]
    ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=9, voting="soft").fit(train)
    labels = ensemble.predict(test[0])
    assert labels.table == dataset.table
    assert labels.shape == (40, 40, 40)
    assert ensemble.predict_proba(test[0]).shape == (4, 40, 40, 40)
    assert 0 < ensemble.score(test) < 1
    # the target label set is the truth
    assert ensemble.score(test) != ensemble.score(test.with_target("WF"))
    segmenter.save(tmp_path / "wf.srseg")
    loaded = load_model(tmp_path / "wf.srseg")
    assert loaded.score(test) == segmenter.score(test)


def test_subjects_of_a_dataset_are_held_out_together(small, dataset):
    segmenter = small(validation=1, max_iter=1).fit(dataset)
    held_out = dataset.select(name=segmenter.validation_samples_)
    assert len(held_out) == 2
    assert len(set(held_out.subjects)) == 1


def test_a_view_gives_held_out_samples(small, dataset):
    segmenter = small(validation=dataset[6:], max_iter=1).fit(dataset[:6])
    assert segmenter.validation_samples_ == ["P6", "P7"]
    assert clone(segmenter).get_params()["validation"] == dataset[6:]


def test_working_copies_give_the_same_model(small, dataset, tmp_path):
    expected = small(max_iter=5).fit(dataset[:2])
    copy = Dataset(shutil.copytree(dataset.path, tmp_path / "study"))
    copy.preprocess(voxel_size=5.0)
    assert copy[0].prepared(5.0, (0.5, 99.9)) is not None
    found = small(max_iter=5).fit(copy[:2])
    probabilities = [s.predict_proba(d[3]) for s, d in ((expected, dataset), (found, copy))]
    # kept in 16 bits
    np.testing.assert_allclose(*probabilities, atol=0.02)
