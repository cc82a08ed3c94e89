"""Every segmenter keeps srseg's contract, by the name that the package gives it."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from srseg import MultiAxisEnsemble, load_model
from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.estimators import create_segmenter, list_segmenters
from srseg.inference import BlockPredictor
from srseg.testing import check_segmenter

QUICK = {
    "threshold": {},
    "watershed": {},
    "random-forest": {"n_estimators": 5, "sigmas": (1.0,), "samples": 500},
    "random-walker": {},
}


@pytest.mark.parametrize("name", QUICK)
def test_contract(name):
    assert name in list_segmenters()
    check_segmenter(create_segmenter(name, **QUICK[name]))


@pytest.mark.parametrize("name", QUICK)
def test_it_learns_and_a_file_keeps_it(name, scans, labels, tmp_path):
    fitted = create_segmenter(name, **QUICK[name]).fit(scans[:2], labels[:2])
    assert fitted.score(scans[2:], labels[2:]) > 0.65
    fitted.save(tmp_path / "model.srseg")
    loaded = load_model(tmp_path / "model.srseg")
    assert loaded.digest() == fitted.digest()
    np.testing.assert_array_equal(loaded.predict_proba(scans[2]), fitted.predict_proba(scans[2]))


@pytest.mark.parametrize("name", ["threshold", "watershed", "random-forest"])
def test_blocks_give_what_the_volume_gives(name, scans, labels):
    parameters = {**QUICK[name], **({"steps": 3} if name == "watershed" else {})}
    fitted = create_segmenter(name, **parameters).fit(scans[:1], labels[:1])
    long = np.concatenate([scans[1]] * 2) / 3 + 0.2
    expected = fitted.predict_block_proba(long.clip(0, 1))
    fitted.block_voxels = 8000
    blocks = BlockPredictor(fitted.predict_block_proba, 3, fitted.reach, 8000)
    cut = blocks.cut(long.shape)
    assert len(cut.slabs(1, 1)) > 4
    for edge in (20, 33):
        part = fitted.predict_block_proba(long.clip(0, 1)[edge - fitted.reach :])
        np.testing.assert_array_equal(part[:, fitted.reach :], expected[:, edge:])


def test_the_walker_is_nearly_the_same_by_block(scans, labels):
    fitted = create_segmenter("random-walker", margin=8).fit(scans[:1], labels[:1])
    long = (np.concatenate([scans[1]] * 2) / 3 + 0.2).clip(0, 1)
    expected = fitted.predict_block_proba(long)
    part = fitted.predict_block_proba(long[20 - fitted.reach :])[:, fitted.reach :]
    assert abs(part - expected[:, 20:]).max() < 0.05
    assert (part.argmax(0) == expected[:, 20:].argmax(0)).mean() > 0.999


# the filters of the forest are as many as before
CHANGED = {
    "threshold": {"sigma": 3.0},
    "watershed": {"sigma": 3.0, "steps": 1, "certainty": 1.0},
    "random-forest": {"sigmas": (0.7,), "features": ("gaussian", "hessian")},
    "random-walker": {"sigma": 3.0, "beta": 0.0, "margin": 1, "certainty": 1.0},
}


@pytest.mark.parametrize("name", QUICK)
def test_parameters_that_are_set_later_are_those_of_the_next_fit(name, scans, labels, tmp_path):
    forest = {"features": ("gradient", "structure"), "random_state": 0}
    given = {**QUICK[name], **(forest if name == "random-forest" else {})}
    fitted = create_segmenter(name, **given).fit(scans[:1], labels[:1])
    reach, expected = fitted.reach, fitted.predict_proba(scans[1])
    fitted.set_params(**CHANGED[name])
    assert fitted.reach == reach
    np.testing.assert_array_equal(fitted.predict_proba(scans[1]), expected)
    fitted.save(tmp_path / "model.srseg")
    loaded = load_model(tmp_path / "model.srseg")
    np.testing.assert_array_equal(loaded.predict_proba(scans[1]), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no voxel is that certain
        fitted.fit(scans[:1], labels[:1])
    assert (fitted.predict_proba(scans[1]) != expected).any()


def test_searched_with_scikit_learn(scans, labels):
    search = GridSearchCV(
        create_segmenter("threshold"), {"levels": [2, [0.5]]}, cv=3, error_score="raise"
    )
    with pytest.warns(UserWarning, match="cannot tell"):
        search.fit(scans, labels)
    assert search.best_params_ == {"levels": 2}


def test_there_are_no_planes_to_fuse(scans, labels):
    with pytest.raises(UnsupportedEstimatorError, match="ThresholdSegmenter"):
        MultiAxisEnsemble(create_segmenter("threshold")).fit(scans, labels)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("threshold", {"levels": 9}, "levels.*1 to 4.*found 9"),
        ("threshold", {"levels": [0.6, 0.3]}, "levels increase"),
        ("threshold", {"levels": [0.5, 30]}, "each of levels.*0 to 1; found 30"),
        ("threshold", {"sigma": -1}, "sigma.*found -1"),
        ("watershed", {"certainty": 0.2}, "certainty.*0.5 to 1; found 0.2"),
        ("watershed", {"steps": 0}, "steps.*1 to 100; found 0"),
        ("random-forest", {"n_estimators": 0}, "n_estimators.*from 1; found 0"),
        ("random-forest", {"features": ["gabor"]}, "features are some of gaussian.*'gabor'"),
        ("random-forest", {"sigmas": []}, "sigmas.*found none"),
        ("random-forest", {"dimensions": 4}, "dimensions is 3 or 2; found 4"),
        ("random-walker", {"beta": "hard"}, "beta.*found 'hard'"),
        ("random-walker", {"margin": 2.5}, "margin.*whole.*2.5"),
    ],
)
def test_what_cannot_work_is_refused(name, parameters, message, scans, labels):
    with pytest.raises(ParameterError, match=message):
        create_segmenter(name, **parameters).fit(scans, labels)
