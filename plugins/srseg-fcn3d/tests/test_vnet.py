"""The V-Net as a segmenter: trained on boxes, predicted by window, kept in files."""

import numpy as np
import pytest
import torch
from srseg_fcn3d import VNetSegmenter

from srseg import MultiAxisEnsemble, load_model
from srseg.errors import ModelFileError, ParameterError, StorageError, UnsupportedEstimatorError
from srseg.estimators import create_segmenter, pack, read_inputs, unpack
from srseg.progress import Stopped, stoppable
from srseg.training import logging_to

SMALL = {"input_size": 16, "precision": "fp32", "validation": None, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(balls):
    scans, labels = balls
    segmenter = create_segmenter("vnet", **{**SMALL, "max_iter": 30, "learning_rate": 2e-3})
    return segmenter.fit(scans[:2], labels[:2])


@pytest.fixture(scope="module")
def kept(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "vnet.srseg"
    fitted.save(path)
    return path


def test_it_learns(fitted, balls):
    scans, labels = balls
    assert isinstance(fitted, VNetSegmenter)
    assert fitted.score(scans[2:], labels[2:]) > 0.5
    assert fitted.n_iter_ == 30
    assert fitted.history_.records[-1]["loss"] < fitted.history_.records[0]["loss"]


def test_a_file_keeps_it(fitted, kept, balls):
    loaded = load_model(kept)
    assert type(loaded) is VNetSegmenter
    assert loaded.digest() == fitted.digest()
    assert loaded.history_.to_dict() == fitted.history_.to_dict()
    np.testing.assert_array_equal(
        loaded.predict_proba(balls[0][2]), fitted.predict_proba(balls[0][2])
    )


def test_a_file_with_other_weights_is_refused(fitted):
    document, tensors = pack(fitted)
    assert unpack(document, tensors, "here").digest() == fitted.digest()
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        unpack(document, {**tensors, name: tensors[name][..., :1]}, "here")
    with pytest.raises(RuntimeError, match="Missing key"):
        unpack(document, {n: t for n, t in tensors.items() if n != name}, "here")
    with pytest.raises(ValueError, match="float16"):
        unpack(document, {**tensors, name: tensors[name].half()}, "here")
    for size in (40, 16 * 10**8, "16", 0):
        facts = {**document["facts"], "input_size": size}
        with pytest.raises(ValueError, match="no multiple of 16 up to 512"):
            unpack({**document, "facts": facts}, tensors, "here")
    for given in ({"overlap": 1}, {"overlap": "half"}, {"overlap": None}, {"precision": "fp8"}):
        parameters = {**document["parameters"], **given}
        with pytest.raises(ParameterError, match=next(iter(given))):
            unpack({**document, "parameters": parameters}, tensors, "here")


def test_a_file_that_was_changed_is_refused(kept, tmp_path):
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "changed.srseg").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"changed\.srseg"):
        load_model(tmp_path / "changed.srseg")


@pytest.mark.filterwarnings("ignore:volume0 differs")
def test_blocks_give_what_the_whole_volume_gives(fitted, monkeypatch):
    scan = np.random.default_rng(0).random((20, 18, 70)).astype(np.float32)
    monkeypatch.setattr(VNetSegmenter, "block_voxels", 62**3)
    blocks = fitted.predict_proba(scan)
    low, high = np.percentile(scan, (0.5, 99.9))
    normal = np.clip((scan - low) / (high - low), 0, 1).astype(np.float32)
    whole = fitted.predict_block_proba(normal)
    np.testing.assert_allclose(blocks, whole, atol=2e-3)


def test_it_goes_on_where_it_was_stopped_with_the_same_bits(balls, tmp_path):
    scans, labels = balls

    class StopAt:
        def begin(self, history):
            pass

        def add(self, record):
            if record["iteration"] == 2:
                stop()

    given = {**SMALL, "max_iter": 4, "validation": 1}
    straight = VNetSegmenter(**given).fit(scans, labels)
    assert len(straight.validation_samples_) == 1
    assert all("validation_iou" in record for record in straight.history_.records)
    segmenter = VNetSegmenter(**given, checkpoint=tmp_path / "vnet.ckpt")
    with stoppable() as stop, logging_to(StopAt()), pytest.raises(Stopped):
        segmenter.fit(scans, labels)
    assert segmenter.history_.stopped
    assert segmenter.predict(scans[0]).shape == scans[0].shape  # with the best weights so far
    segmenter.fit(scans, labels)
    assert segmenter.n_iter_ == 4
    assert not segmenter.history_.stopped
    for name, value in straight.network_.state_dict().items():
        assert torch.equal(value, segmenter.network_.state_dict()[name]), name
    with pytest.raises(StorageError, match=r"of another training: .*labels was"):
        segmenter.fit(scans, [1 - truth for truth in labels])


def test_it_takes_no_planes(fitted, balls):
    with pytest.raises(UnsupportedEstimatorError, match="VNetSegmenter"):
        MultiAxisEnsemble(fitted).fit(balls[0][:1], balls[1][:1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input_size": 40}, "no multiple of 16.*use 32 or 48"),
        ({"input_size": 1024}, "up to 512; use 496 or 512"),
        ({"input_size": 16, "batch_size": 1}, "use batch_size=2"),
        ({"max_iter": 0}, "max_iter is a whole number of 1 or more, found 0"),
        ({"learning_rate": 0}, "learning_rate is a number: greater than 0; found 0"),
        ({"dropout": 1.0}, "dropout is a number: 0 or more and less than 1; found 1.0"),
        ({"overlap": 0.8}, "overlap is a number: 0 to 0.75; found 0.8"),
        ({"loss": "boundary"}, "one of cross-entropy, .*found 'boundary'"),
        ({"augment": "yes"}, "augment is True or False"),
        ({"precision": "fp8"}, "fp8"),
        ({"device": "abacus"}, "abacus"),
        ({"checkpoint": "a", "random_state": None}, "random_state must be an integer"),
        ({"validation": 3}, "validation=3 would hold out 3 of 3"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(wrong, message, balls):
    with pytest.raises(ParameterError, match=message):
        VNetSegmenter(**{**SMALL, **wrong}).fit(*balls)


def test_samples_are_predicted_and_go_on(fitted, balls, tmp_path):
    sample = read_inputs(balls[0][2], voxel_size=5.0).samples[0]
    for resumes in (False, True):
        with fitted.prepare_prediction(sample, scratch=tmp_path / "votes") as prediction:
            assert prediction.resumes is resumes
            prediction.run()
            found = prediction.labels.read()
    np.testing.assert_array_equal(found, fitted.predict(balls[0][2]))
