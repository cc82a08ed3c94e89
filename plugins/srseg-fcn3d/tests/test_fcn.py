"""The FCN-8s: the network of the paper, and a backbone like any other."""

import numpy as np
import pytest
import torch
from srseg_fcn3d import FCN8s
from torch.nn import functional

from srseg import MultiAxisEnsemble, VolumeSegmenter, load_model
from srseg.backbones import create_backbone, describe_backbone, list_backbones
from srseg.testing import check_backbone


@pytest.mark.parametrize(("width", "depth"), [(3, 1), (2, 2), (4, 3), (1, 4)])
def test_the_contract_of_backbones_is_kept(width, depth):
    assert "fcn" in list_backbones()
    check_backbone("fcn", width=width, depth=depth)


def test_it_is_as_large_as_the_network_of_the_paper():
    with torch.device("meta"):
        network = FCN8s(n_classes=21)
    sizes = [p.numel() for p in network.parameters() if p.ndim == 4]
    # VGG-16 has 14,714,688 numbers in its convolutions, of which 4,224 are biases and 1,152 are of
    # the colours that a scan does not have; then the two dense layers
    vgg = 14_714_688 - 4_224 - 1_152
    dense = 512 * 7 * 7 * 4096 + 4096 * 4096
    scores = 21 * (4096 + 512 + 256) + 2 * 21 * 21 * 4 * 4
    assert sum(sizes) == vgg + dense + scores
    assert network.stride == 32


def test_it_begins_with_bilinear_interpolation():
    network = FCN8s(n_classes=3, width=1, depth=3)
    scores = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(scores, scale_factor=2.0, mode="bilinear")
    for up in network.up:
        found = up(scores)
        # at the border one fills with zeros, the other with the last pixel
        torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


def test_a_slice_that_does_not_fit_is_padded_and_what_it_takes_is_known(balls):
    scans, labels = balls
    segmenter = VolumeSegmenter(
        "fcn", width=2, depth=2, input_size=16, max_iter=3, random_state=0, validation=None
    ).fit(scans[:1], labels[:1])
    assert scans[0].shape[1] % 4 == 0
    odd = scans[1][:, :21, :27]
    assert segmenter.predict(odd).shape == odd.shape
    assert describe_backbone("fcn", width=2, depth=2).parameters == sum(
        p.numel() for p in create_backbone("fcn", n_classes=4, width=2, depth=2).parameters()
    )


def test_planes_are_fused_and_a_file_keeps_it(balls, tmp_path):
    scans, labels = balls
    segmenter = VolumeSegmenter(
        "fcn", width=4, depth=2, input_size=16, max_iter=60, learning_rate=5e-3, random_state=0
    )
    ensemble = MultiAxisEnsemble(segmenter, planes=3).fit(scans[:2], labels[:2])
    assert ensemble.score(scans[2:], labels[2:]) > 0.5
    ensemble.estimator_.save(tmp_path / "fcn.srseg")
    loaded = load_model(tmp_path / "fcn.srseg")
    np.testing.assert_array_equal(loaded.predict(scans[2]), ensemble.estimator_.predict(scans[2]))
