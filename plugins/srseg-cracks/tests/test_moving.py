"""Probabilities that go from the layer to what cracks are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from srseg_cracks._moving import LAYER, with_cracks

from srseg.backbones import create_backbone

LAYER_IS, CRACK_IS = 2, 0


def shares(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    n, height, width = shape
    found = np.random.default_rng(seed).dirichlet(np.full(4, 0.3), (n, height, width))
    return np.moveaxis(found, -1, 1).astype(np.float32)


def combined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    n, _, height, width = first.shape
    calls = iter(range(n))
    return with_cracks(
        torch.from_numpy(first.copy()),
        lambda part: torch.from_numpy(second[next(calls)][None]),
        torch.zeros(n, height, width),
        classes=(LAYER_IS, CRACK_IS), stride=1, reach=None,
    ).numpy()  # fmt: skip


def test_what_is_moved_is_the_least_that_both_have_in_common() -> None:
    first, second = shares(0, (3, 9, 11)), shares(1, (3, 9, 11))
    found = combined(first, second)
    p, c = first[:, LAYER_IS].astype(float), second[:, CRACK_IS].astype(float)
    moved = np.where(p > LAYER, np.maximum(0, p + c - 1), 0)
    expected = first.astype(float)
    expected[:, LAYER_IS] -= moved
    expected[:, CRACK_IS] += moved
    assert (moved > 0.5).any()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(found[:, [1, 3]], first[:, [1, 3]])
    assert found.min() >= 0


@pytest.mark.parametrize(
    ("layer", "crack", "moved"),
    [(1, 0.9, 0.9), (0.5, 0.5, 0), (0.9, 0.1, 0), (0.04, 1, 0), (0.8, 0.7, 0.5)],
)
def test_cases_that_people_can_follow(layer: float, crack: float, moved: float) -> None:
    first, second = np.zeros((2, 1, 4, 2, 2), np.float32)
    first[:, LAYER_IS], first[:, 1] = layer, 1 - layer
    second[:, CRACK_IS], second[:, 1] = crack, 1 - crack
    found = combined(first, second)
    np.testing.assert_allclose(found[:, CRACK_IS], moved, atol=1e-6)
    np.testing.assert_allclose(found[:, LAYER_IS], layer - moved, atol=1e-6)


def test_the_part_with_a_layer_is_all_that_the_second_needs() -> None:
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=4, width=2, depth=2).eval()
    slices = torch.rand(3, 160, 200)
    first = np.zeros((3, 4, 160, 200), np.float32)
    first[:, 0] = 1
    first[0, :, 70:83, 90:101] = np.moveaxis(shares(0, (1, 13, 11)), 1, 1)[0]
    first[1, :, :5, 195:] = shares(1, (1, 5, 5))[0]
    sizes = []

    def second(part: torch.Tensor) -> torch.Tensor:
        sizes.append(part.shape[1:])
        with torch.no_grad():
            return 8 * network(part[:, None]).softmax(1)

    how = {"classes": (LAYER_IS, CRACK_IS), "stride": network.stride}
    cut = with_cracks(torch.from_numpy(first.copy()), second, slices, reach=network.reach, **how)
    at = len(sizes)
    whole = with_cracks(torch.from_numpy(first.copy()), second, slices, reach=None, **how)
    assert at == 2  # the third slice has no layer
    assert all(size[0] * size[1] < 160 * 200 for size in sizes[:at])
    assert all(edge % network.stride == 0 for size in sizes for edge in size)
    assert not np.allclose(whole, first)
    np.testing.assert_allclose(cut, whole, atol=1e-5)
