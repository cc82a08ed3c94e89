"""nnU-Net keeps the contract of segmenters, learns, and is kept in files."""

import multiprocessing
import os

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from srseg_nnunet import NNUNetSegmenter
from tiny import TINY, phantom

from srseg import MultiAxisEnsemble, load_model
from srseg.errors import ModelFileError, ParameterError
from srseg.estimators import create_segmenter
from srseg.testing import check_segmenter


def test_the_contract_is_kept():
    check_segmenter(create_segmenter("nnunet", **NNUNetSegmenter.test_parameters()))


def test_it_learns_what_grey_values_tell(fitted):
    scan, labels = phantom(1)
    assert fitted.score([scan], [labels]) > 0.6
    assert len(fitted.losses_) == fitted.n_iter_ == 80
    assert fitted.losses_[-5:].mean() < fitted.losses_[:5].mean()


def test_planes_are_fused(fitted):
    scan, labels = phantom(1)
    ensemble = MultiAxisEnsemble(NNUNetSegmenter(**TINY), planes=3).fit([scan], [labels])
    assert ensemble.predict(scan).shape == scan.shape
    assert ensemble.description == "soft3"


def test_it_is_searched_by_its_name():
    scans, labels = zip(phantom(0), phantom(1), strict=True)
    search = GridSearchCV(
        create_segmenter("nnunet", **{**TINY, "mirror": False}), {"width": [2, 3]}, cv=2,
        error_score="raise",
    )  # fmt: skip
    search.fit(list(scans), list(labels))
    assert search.cv_results_["mean_test_score"].shape == (2,)


def test_a_file_keeps_it(fitted, tmp_path):
    scan, _ = phantom(1)
    fitted.save(tmp_path / "nnunet.srseg")
    loaded = load_model(tmp_path / "nnunet.srseg")
    assert type(loaded) is NNUNetSegmenter
    assert loaded.plans_ == fitted.plans_
    assert loaded.digest() == fitted.digest()
    np.testing.assert_array_equal(loaded.losses_, fitted.losses_)
    np.testing.assert_array_equal(loaded.predict(scan), fitted.predict(scan))
    # each weight once, although the decoder names those of the encoder again
    size = (tmp_path / "nnunet.srseg").stat().st_size
    weights = 4 * sum(p.numel() for p in fitted.network_.parameters())
    assert weights < size < weights + 100_000


def test_files_are_not_left_and_nothing_is_printed(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "elsewhere")
    scan, labels = phantom(0)
    NNUNetSegmenter(**TINY, scratch=tmp_path).fit([scan], [labels]).predict(scan)
    assert list(tmp_path.iterdir()) == []
    assert os.environ["nnUNet_raw"] == "elsewhere"  # noqa: SIM112, it spells it so
    assert "nnUNet_results" not in os.environ
    assert capfd.readouterr() == ("", "")


def test_patches_can_be_drawn_by_processes_beside_it():
    scan, labels = phantom(0)
    given = {**TINY, "training_planes": 1, "max_iter": 6, "n_jobs": 2}
    first, again = (NNUNetSegmenter(**given).fit([scan], [labels]) for _ in range(2))
    assert not multiprocessing.active_children()
    assert np.isfinite(first.losses_).all()
    # each process has a seed of its own, and gives its batches in turn
    np.testing.assert_array_equal(again.losses_, first.losses_)


def test_the_plans_are_what_was_asked_for():
    scan, labels = phantom(0)
    given = {**TINY, "input_size": 20, "width": 3, "batch_size": 5, "training_planes": 1}
    plans = NNUNetSegmenter(**given).fit([scan], [labels]).plans_["configurations"]["2d"]
    assert plans["patch_size"] == [20, 20]
    assert plans["batch_size"] == 5
    assert plans["architecture"]["arch_kwargs"]["features_per_stage"][0] == 3


def test_slices_smaller_than_a_patch_are_padded():
    scan, labels = phantom(0)
    small, truth = scan[:, :9, :11], labels[:, :9, :11]
    fitted = NNUNetSegmenter(**TINY, training_planes=1).fit([small], [truth])
    assert fitted.plans_["configurations"]["2d"]["patch_size"] == [16, 16]
    assert np.isfinite(fitted.losses_).all()
    assert fitted.predict(small).shape == small.shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_iter": 0}, "max_iter must be an integer of 1 or more, found 0"),
        ({"input_size": 8}, "input_size must be an integer of 16 or more"),
        ({"input_size": 4096}, "input_size is 2048 px at most, found 4096"),
        ({"width": 2.5}, "width must be an integer"),
        ({"training_planes": 9}, "training_planes is 1 or 3, found 9"),
        ({"mirror": "no"}, "mirror is True or False"),
        ({"n_jobs": -1}, "n_jobs must be an integer of 0 or more"),
        ({"device": "abacus"}, "abacus"),
        ({"checkpoint_every": -1}, "checkpoint_every .* 0 or more"),
        ({"checkpoint": "x", "random_state": None}, "random_state must be an integer"),
    ],
)
def test_parameters_that_cannot_work_are_refused(given, message):
    scan, labels = phantom(0)
    with pytest.raises(ParameterError, match=message):
        NNUNetSegmenter(**{**TINY, **given}).fit([scan], [labels])


def test_plans_that_do_not_fit_the_weights_are_refused(fitted, tmp_path):
    scan, labels = phantom(0)
    other = NNUNetSegmenter(**TINY).fit([scan], [labels])
    other.plans_ = fitted.plans_
    other.save(tmp_path / "wrong.srseg")
    with pytest.raises(ModelFileError, match=r"wrong\.srseg.*the plans say float32 of shape"):
        load_model(tmp_path / "wrong.srseg")
