"""No more is made than is allowed, and before memory is taken."""

import pytest
import torch

from srseg.backbones import create_backbone
from srseg.estimators._allowance import Allowance

HUGE = 10**7  # squared, and in float32, 400 TB


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(HUGE, HUGE),
        lambda: torch.zeros(HUGE, HUGE),
        lambda: torch.full((HUGE, HUGE), 3.0),
        lambda: torch.arange(HUGE**2),
        lambda: torch.randn((HUGE, HUGE), dtype=torch.float64),
        lambda: torch.nn.Linear(HUGE, HUGE),
        lambda: [torch.ones(30) for _ in range(1000)],
    ],
)
def test_what_is_too_large_is_not_made(make):
    with pytest.raises(ValueError, match="bytes of numbers"), Allowance(100_000, 10**6):
        make()


def test_layers_without_end_are_not_made():
    endless = (torch.nn.Linear(1, 1) for _ in iter(int, 1))
    with pytest.raises(ValueError, match="more layers"), Allowance(10**9, 1000):
        all(layer.bias is not None for layer in endless)


@pytest.mark.parametrize("name", ["unet", "smp:unet/resnet18", "smp:segformer/mit_b0",
                                  "smp:fpn/tu-convnext_atto"])  # fmt: skip
def test_what_is_made_is_what_is_made_without(name):
    made = []
    for allowance in (None, Allowance(10**9, 10**6)):
        torch.manual_seed(0)
        if allowance is None:
            made.append(create_backbone(name, n_classes=3, width=4, depth=2).state_dict())
        else:
            with allowance:
                made.append(create_backbone(name, n_classes=3, width=4, depth=2).state_dict())
    assert made[0].keys() == made[1].keys()
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])
