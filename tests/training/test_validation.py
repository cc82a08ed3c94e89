"""What held-out slices say of a network, against the whole slices by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from srseg.errors import TrainingError
from srseg.planes import standard_planes
from srseg.training import LabelledVolume, ValidationSlices

IGNORED = 255
CPU = torch.device("cpu")


class Watched(nn.Module):
    """A pixelwise network that notes the slices it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        assert not self.training
        self.seen.append(x[0, 0].clone())
        return torch.cat([1 - x, x, 2 * x - 0.5], 1)


def volume_of(shape, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.random(shape, dtype=np.float32)
    return LabelledVolume(image, rng.integers(0, 3, shape).astype(np.uint8), "A")


def test_loss_and_counts_are_those_of_the_slices():
    volume = volume_of((5, 6, 7))
    volume.classes[1, 2:] = IGNORED
    slices = ValidationSlices([volume], standard_planes(3), stride=4, n_slices=10**6)
    assert len(slices) == 5 + 6 + 7
    network = Watched().train()
    loss, counts = slices.score(network, 3, CPU)
    kept = volume.classes != IGNORED
    x, truth = volume.image[kept].astype(float), volume.classes[kept]
    logits = np.stack([1 - x, x, 2 * x - 0.5])
    log = logits - np.log(np.exp(logits).sum(0))
    # every voxel stands in one slice of each plane
    assert loss == pytest.approx(-log[truth, np.arange(len(truth))].mean(), abs=1e-6)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (truth, logits.argmax(0)), 3)
    np.testing.assert_array_equal(counts, expected)
    assert {tuple(s.shape) for s in network.seen} == {(8, 8)}
    first = network.seen[0].numpy()
    np.testing.assert_array_equal(first[:6, :7], volume.image[0])
    assert not first[6:].any()
    assert not first[:, 7:].any()


def test_slices_are_spread_evenly():
    network = Watched()
    volume = volume_of((40, 4, 4))
    ValidationSlices([volume], standard_planes(1), 1, n_slices=4).score(network, 3, CPU)
    found = [int(abs(volume.image - s.numpy()).sum((1, 2)).argmin()) for s in network.seen]
    assert found == [5, 15, 25, 35]


def test_each_volume_and_plane_has_a_slice():
    volumes = [volume_of((3, 4, 5), i) for i in range(4)]
    assert len(ValidationSlices(volumes, standard_planes(3), 1, n_slices=1)) == 12


def test_slices_are_chosen_where_something_is_labelled():
    volume = volume_of((40, 8, 8))
    volume.classes[:] = IGNORED
    volume.classes[17, 3, 3] = 1
    slices = ValidationSlices([volume], standard_planes(3), 1)
    network = Watched()
    loss, counts = slices.score(network, 3, CPU)
    assert len(slices) == 3
    assert counts.sum() == 3
    assert np.isfinite(loss)
    assert any(np.array_equal(s, volume.image[17]) for s in network.seen)


def test_nothing_labelled_is_told():
    volume = volume_of((4, 4, 4))
    volume.classes[:] = IGNORED
    with pytest.raises(TrainingError, match="A has no labelled voxel"):
        ValidationSlices([volume_of((4, 4, 4)), volume], standard_planes(3), 1)


def test_large_slices_are_cropped_to_the_papers_centre():
    """Section Implementation: a centre crop of 992 x 992."""
    volume = volume_of((1, 1000, 995))
    network = Watched()
    ValidationSlices([volume], standard_planes(1), 32).score(network, 3, CPU)
    (seen,) = network.seen
    np.testing.assert_array_equal(seen, volume.image[0, 4:996, 1:993])
