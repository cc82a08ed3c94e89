"""How fast a machine trains."""

import pytest
import torch

from srseg import VolumeSegmenter
from srseg.backbones import create_backbone
from srseg.evaluation import training_speed


@pytest.mark.parametrize(("shared_by", "expected"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_it_is_that_of_a_process_with_its_share_of_the_cores(monkeypatch, shared_by, expected):
    threads = []

    def backbone(**sizes):
        network = create_backbone("unet", **sizes)
        network.register_forward_hook(lambda *_: threads.append(torch.get_num_threads()))
        return network

    segmenter = VolumeSegmenter(backbone, width=2, depth=1, input_size=8, device="cpu")
    monkeypatch.setattr("srseg.evaluation._training_speed.cpu_count", lambda: 4)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert training_speed(segmenter, 4, shared_by) > 0
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert threads[-3:] == [expected] * 3
