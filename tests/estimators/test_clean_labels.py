"""Labels that are corrected before they are learned."""

import dataclasses

import pytest
import torch

from srseg import VolumeSegmenter, load_model
from srseg.errors import ParameterError
from srseg.phantoms import make_phantom
from srseg.preprocessing import LabelCleaning


@pytest.fixture(scope="module")
def sample():
    return make_phantom(0, (48, 48, 48), voxel_size=5.0).sample("A")


def trained(sample, clean_labels):
    segmenter = VolumeSegmenter(
        width=2, depth=1, input_size=16, max_iter=3, batch_size=2, validation=None, random_state=0,
        precision="fp32", clean_labels=clean_labels,
    )  # fmt: skip
    return segmenter.fit([sample])


def same(first, second):
    pairs = zip(first.network_.parameters(), second.network_.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_workflow_labels_are_corrected_and_manual_ones_are_spared(sample):
    assert not same(trained(sample, True), trained(sample, False))
    careful = dataclasses.replace(sample, target="HQ")
    assert same(trained(careful, True), trained(careful, False))
    all_of_them = LabelCleaning(spared=())
    assert not same(trained(careful, all_of_them), trained(careful, False))


def test_a_model_file_keeps_how(sample, tmp_path):
    how = LabelCleaning(reach=2.0, cracks=None)
    trained(sample, how).save(tmp_path / "m.srseg")
    assert load_model(tmp_path / "m.srseg").clean_labels == how


def test_anything_else_is_refused(sample):
    with pytest.raises(ParameterError, match="clean_labels is True, False or a LabelCleaning"):
        trained(sample, "yes")
