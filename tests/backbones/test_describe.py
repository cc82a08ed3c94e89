import json

import pytest
import torch

from srseg.backbones import create_backbone, describe_backbone
from srseg.errors import ParameterError, PluginError, UnknownNameError


def closed_form_flops(width: int, depth: int, n_classes: int, size: int) -> int:
    multiply_adds = n_classes * width * size**2
    for level in range(depth + 1):
        channels, pixels = width * 2**level, (size // 2**level) ** 2
        into = 1 if level == 0 else channels // 2
        multiply_adds += 9 * (into + channels) * channels * pixels
        if level < depth:
            multiply_adds += 2 * channels * channels * pixels  # transposed: one tap a pixel
            multiply_adds += 9 * (2 * channels + channels) * channels * pixels
    return 2 * multiply_adds


@pytest.mark.parametrize(("width", "depth", "size"), [(32, 3, 384), (64, 5, 640), (5, 1, 10)])
def test_flops_closed_form(width: int, depth: int, size: int) -> None:
    info = describe_backbone("unet", n_classes=3, width=width, depth=depth, input_size=size)
    assert info.flops == closed_form_flops(width, depth, 3, size)


def test_largest_of_the_paper_needs_no_memory() -> None:
    # 6 GB of weights if it were built
    info = describe_backbone("unet", width=112, depth=6, input_size=512)
    assert info.parameters == 1_524_114_372
    assert info.memory_prediction_fixed > 4 * info.parameters
    assert (info.receptive_field, info.receptive_field_paper) == (828, 2492)
    assert (info.stride, info.reach) == (64, 444)


def test_what_training_keeps_is_what_autograd_saves() -> None:
    size, width = 64, 6
    info = describe_backbone("unet", n_classes=4, width=width, depth=2, input_size=size)
    network = create_backbone("unet", n_classes=4, width=width, depth=2)
    weights = {p.data_ptr() for p in network.parameters()}
    buffers = {b.data_ptr() for b in network.buffers()}
    saved = []
    for n_patches in (2, 3):
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights | buffers:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = network(torch.rand(n_patches, 1, size, size))
        saved.append(sum(kept.values()))
        del logits
    largest = 4 * 2 * width * size**2  # the concatenation at full size
    logits_and_gradients = 4 * 4 * size**2 + 2 * largest
    assert info.memory_training_per_patch == saved[1] - saved[0] + logits_and_gradients
    assert info.memory_training_fixed >= 16 * info.parameters


def test_prediction_peaks_at_the_last_concatenation() -> None:
    size, width = 96, 8
    info = describe_backbone("unet", n_classes=4, width=width, depth=3, input_size=size)
    finest = 4 * width * size**2
    # skip, upsampled, both concatenated, what was upsampled (half of one); and the slice
    assert info.memory_prediction_per_slice == 4.5 * finest + 4 * size**2


def test_size_is_padded_to_the_stride() -> None:
    odd = describe_backbone("unet", width=2, depth=6, input_size=992)
    assert odd.input_size == 1024
    assert odd == describe_backbone("unet", width=2, depth=6, input_size=1024)


@pytest.mark.parametrize("name", ["smp:unet/resnet18", "smp:segformer/mit_b0"])
def test_network_of_another_kind(name: str) -> None:
    info = describe_backbone(name, width=7, depth=3, input_size=64)
    network = create_backbone(name, n_classes=4)
    assert info.parameters == sum(p.numel() for p in network.parameters())
    assert (info.width, info.depth) == (None, None)
    assert (info.receptive_field, info.receptive_field_paper, info.reach) == (None, None, None)
    assert info.stride == 32
    assert min(info.flops, info.memory_training_per_patch, info.memory_prediction_per_slice) > 0


def test_json() -> None:
    info = describe_backbone("unet", width=1, depth=1, input_size=8)
    assert json.loads(json.dumps(info.to_dict()))["receptive_field_paper"] == 24


def test_network_that_needs_values_is_told() -> None:
    class Branching(torch.nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if x.sum() > 0 else -super().forward(x)

    def branching(*, n_classes: int, width: int, depth: int) -> torch.nn.Module:
        network = Branching(1, n_classes, kernel_size=1)
        network.stride, network.reach = 1, None
        return network

    with pytest.raises(
        PluginError, match=r"branching' could not be measured on slices of 16x16 px"
    ):
        describe_backbone(branching, input_size=16)


def test_bad_requests() -> None:
    with pytest.raises(ParameterError, match="input_size=0"):
        describe_backbone("unet", input_size=0)
    with pytest.raises(UnknownNameError, match="'unet'"):
        describe_backbone("unnet")
