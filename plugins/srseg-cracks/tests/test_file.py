"""Both stages in one file."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from srseg_cracks import CrackSegmenter
from srseg_cracks._keeping import unpack_stages
from torch import nn

from srseg import VolumeSegmenter, load_model
from srseg.errors import ParameterError
from srseg.estimators import pack, unpack
from srseg.training import Augmentation


def assert_same(found, expected):
    np.testing.assert_array_equal(found.read(), expected.read())


@pytest.fixture(scope="module")
def fitted(tiny, samples):
    # an estimator of which the parameters are no plain data
    estimator = VolumeSegmenter(**{**tiny, "width": 3}, augment=Augmentation(noise=0.1))
    return CrackSegmenter(estimator, **tiny).fit(samples[:2])


def test_a_file_keeps_both_stages(samples, fitted, tmp_path):
    fitted.save(tmp_path / "cracks.srseg")
    loaded = load_model(tmp_path / "cracks.srseg")
    assert type(loaded) is CrackSegmenter
    assert loaded.digest() == fitted.digest()
    assert loaded.get_params(deep=False).keys() == fitted.get_params(deep=False).keys()
    assert loaded.estimator.augment == Augmentation(noise=0.1)
    assert loaded.training_samples_ == ["S0", "S1"]
    assert_same(loaded.predict(samples[2]), fitted.predict(samples[2]))
    again = clone(loaded).fit(samples[:2])
    assert_same(again.predict(samples[2]), fitted.predict(samples[2]))


def test_a_model_file_is_a_first_stage(tiny, samples, first, tmp_path):
    first.save(tmp_path / "wf.srseg")
    fitted = CrackSegmenter(str(tmp_path / "wf.srseg"), **tiny).fit(samples[:2])
    expected = CrackSegmenter(FrozenEstimator(first), **tiny).fit(samples[:2])
    assert_same(fitted.predict(samples[2]), expected.predict(samples[2]))
    fitted.save(tmp_path / "cracks.srseg")
    (tmp_path / "wf.srseg").unlink()
    loaded = load_model(tmp_path / "cracks.srseg")
    assert isinstance(loaded.estimator, FrozenEstimator)
    assert_same(loaded.predict(samples[2]), fitted.predict(samples[2]))


def test_voxels_of_another_size_than_the_models_are_refused(tiny, samples, first):
    with pytest.raises(ParameterError, match=r"voxel_size is 10.0, and estimator has .*=5.0"):
        CrackSegmenter(FrozenEstimator(first), voxel_size=10.0, **tiny).fit(samples[:2])


def test_what_differs_tells_one_model_from_another(samples, fitted):
    other = clone(fitted).set_params(cracks=0.5).fit(samples[:2])
    assert other.digest() != fitted.digest()


def test_a_stage_that_no_file_can_keep_has_a_digest(tiny, samples):
    """And so a prediction by it can go on from a scratch folder, and a search can find it."""
    found = [
        CrackSegmenter(
            VolumeSegmenter(**tiny | {"backbone": pixelwise, "random_state": seed}), **tiny
        ).fit(samples[:2])
        for seed in (0, 0, 1)
    ]
    same, again, other = (one.digest() for one in found)
    assert same == again != other
    with pytest.raises(ParameterError, match="cannot be saved"):
        found[0].packed()


def pixelwise(*, n_classes, width, depth):
    network = nn.Conv2d(1, n_classes, 1)
    network.stride, network.reach = 1, 0
    return network


@pytest.mark.parametrize(
    ("stage", "change", "words"),
    [
        ("crack_network", {"voxel_size_um": 7.0}, "differ in voxel_size_"),
        ("crack_network", {"clip": None}, "differ in clip_"),
        ("estimator", {"label_table": None}, "differ in label_table_"),
        (None, {"crack_classes": {"tuple": [1, 9]}}, "no class 9"),
    ],
)
def test_stages_that_do_not_belong_together_are_refused(fitted, stage, change, words):
    document, tensors = pack(fitted)
    document = copy.deepcopy(document)
    if stage is None:
        document["parameters"] |= change
    else:
        kept = document["facts"][stage]["dict"]
        for name, value in change.items():
            if name == "clip":
                kept["parameters"]["dict"]["clip"] = [1.0, 99.0]
            elif name == "label_table":
                kept[name][1]["dict"]["name"] = "another"
            else:
                kept[name] = value
    with pytest.raises((ValueError, KeyError, TypeError), match=words):
        unpack(document, tensors, "it")


def test_a_second_stage_that_is_no_network_is_refused(first):
    kept = pack(first)[0]
    with pytest.raises(ValueError, match="its crack_network is a Filled"):
        unpack_stages({}, {"estimator": kept, "crack_network": kept})


def test_without_the_weights_of_a_stage_there_is_no_model(fitted):
    document, tensors = pack(fitted)
    few = {name: t for name, t in tensors.items() if not name.startswith("crack_network.")}
    with pytest.raises(RuntimeError, match="Missing key"):
        unpack(document, few, "it")
