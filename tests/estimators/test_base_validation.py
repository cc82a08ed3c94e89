"""Segmenters made of BaseSegmenter that are judged by samples held out of their training."""

import numpy as np
import pytest

from srseg import load_model
from srseg.errors import ParameterError
from srseg.estimators import BaseSegmenter, read_inputs, register_segmenter


class Judged(BaseSegmenter):
    """Learns who is trained on, and who judges."""

    reach = 0

    def __init__(self, validation=None, random_state=None):
        self.validation = validation
        self.random_state = random_state

    def learn(self, volumes, rng, held_out):
        self.trained_ = [volume.name for volume in volumes]
        self.judges_ = [volume.name for volume in held_out]

    def predict_block_proba(self, block):
        return np.stack([1 - block, block])


register_segmenter("judged", Judged)


def make_samples():
    rng = np.random.default_rng(0)
    scans = [rng.random((8, 9, 10)).astype(np.float32) for _ in range(3)]
    labels = [(scan > 0.5).astype(np.uint8) for scan in scans]
    return read_inputs(scans, labels, voxel_size=5.0, labelled=True).samples


@pytest.mark.parametrize("given", [1, "a list of samples"])
def test_samples_are_held_out_by_subject(given, tmp_path):
    samples = make_samples()
    training, validation = samples, given
    if given != 1:
        training, validation = [samples[0], samples[2]], [samples[1]]
    fitted = Judged(validation, random_state=0).fit(training, sample_weight=[1.0] * len(training))
    assert len(fitted.judges_) == 1
    assert sorted([*fitted.trained_, *fitted.judges_]) == sorted(s.name for s in samples)
    assert fitted.judges_ == fitted.validation_samples_
    assert fitted.trained_ == fitted.training_samples_
    fitted.save(tmp_path / "judged.srseg")
    loaded = load_model(tmp_path / "judged.srseg")
    assert loaded.validation_samples_ == fitted.validation_samples_
    assert loaded.validation == (1 if given == 1 else None)  # samples are no part of a model


def test_none_are_held_out_without_being_asked():
    fitted = Judged().fit(make_samples())
    assert fitted.judges_ == fitted.validation_samples_ == []


def test_too_many_are_refused():
    with pytest.raises(ParameterError, match="validation=3 would hold out 3 of 3 subjects"):
        Judged(3).fit(make_samples())
