"""A network without its batch norm, and Mish without tanh, give what they gave before."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from srseg.backbones import create_backbone
from srseg.inference._lean import lean_copy
from srseg.inference._mish import BlockedMish, FusedMish


def trained(network, channels=1):
    """Give the statistics of batch norm values that are not their first."""
    torch.manual_seed(2)
    with torch.no_grad():
        for _ in range(3):
            network.train()(2 * torch.randn(4, channels, 64, 64) + 1)
    return network


def norms(network):
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def agree(network, lean):
    slices = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        expected = copy.deepcopy(network).double().eval()(slices.double())
        found = lean(slices)
    scale = float(expected.abs().max())
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("backbone", "before", "after"), [("unet", 10, 0), ("smp:unet/resnet18", 30, 0)]
)
def test_batch_norm_becomes_part_of_the_convolutions(backbone, before, after):
    torch.manual_seed(1)
    network = trained(create_backbone(backbone, n_classes=3, width=4, depth=2))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    lean = lean_copy(network)
    assert (len(norms(network)), len(norms(lean))) == (before, after)
    assert network.training
    assert not lean.training
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)
    agree(network, lean)


class _Pieces(nn.Module):
    def __init__(self, **modules):
        super().__init__()
        self.stride = 1
        for name, module in modules.items():
            setattr(self, name, module)


class _Skip(_Pieces):
    def forward(self, x):
        y = self.conv(x)
        return self.norm(y) + y


class _Twice(_Pieces):
    def forward(self, x):
        return self.norm(self.conv(x)) + self.norm(self.other(x))


class _Transposed(_Pieces):
    def forward(self, x):
        return self.norm(self.conv(x))


class _Changed(_Pieces):
    def forward(self, x):
        y = self.conv(x)
        nn.functional.relu_(y)
        return self.norm(y)


class _Activated(_Pieces):
    def forward(self, x):
        y = self.norm(self.conv(x))
        return self.mish(y) + y


class _Odd(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2


def conv(kind=nn.Conv2d, **options):
    return kind(1, 4, 3, padding=1, **options)


@pytest.mark.parametrize(
    ("make", "left"),
    [
        (lambda: _Skip(conv=conv(), norm=nn.BatchNorm2d(4)), 1),
        (lambda: _Twice(conv=conv(), other=conv(), norm=nn.BatchNorm2d(4)), 1),
        (lambda: _Changed(conv=conv(), norm=nn.BatchNorm2d(4)), 1),
        (lambda: _Transposed(conv=conv(_Odd), norm=nn.BatchNorm2d(4)), 1),
        (lambda: _Transposed(conv=conv(nn.ConvTranspose2d), norm=nn.BatchNorm2d(4)), 0),
        (lambda: _Transposed(conv=conv(bias=False), norm=nn.BatchNorm2d(4, affine=False)), 0),
    ],
    ids=["skip", "shared", "changed in place", "own convolution", "transposed", "not affine"],
)
def test_batch_norm_stays_where_others_read_the_convolution(make, left):
    torch.manual_seed(1)
    network = trained(make())
    lean = lean_copy(network)
    assert len(norms(lean)) == left
    agree(network, lean)


def test_mish_works_in_place_only_where_nobody_else_reads_its_input():
    torch.manual_seed(1)
    busy = trained(_Activated(conv=conv(), norm=nn.BatchNorm2d(4), mish=nn.Mish()))
    lean = lean_copy(busy)
    assert not lean.mish.inplace
    agree(busy, lean)
    unet = lean_copy(create_backbone("unet", n_classes=3, width=2, depth=1))
    assert all(m.inplace for m in unet.modules() if isinstance(m, nn.Mish))
    # a slice itself is the caller's
    first = lean_copy(nn.Sequential(nn.Mish(), nn.Conv2d(1, 2, 1)))
    assert not first[0].inplace


def test_a_network_that_looks_at_values_is_copied_as_it_is():
    class Looks(_Transposed):
        def forward(self, x):
            return super().forward(-x if float(x.max()) > 5 else x)

    network = trained(Looks(conv=conv(), norm=nn.BatchNorm2d(4)))
    lean = lean_copy(network)
    assert len(norms(lean)) == 1
    agree(network, lean)


VALUES = torch.cat(
    [
        torch.linspace(-120, 120, 100_001),
        torch.tensor([0.0, -0.0, 20.0, 20.1, 44.5, 89.0, 1e30, -1e30, float("nan")]),
    ]
)


def exact_mish(x):
    # in parts that neither overflow nor cancel
    wide = x.double()
    e = torch.exp(-wide.abs())
    n = torch.where(wide > 0, 1 + 2 * e, e * (e + 2))
    return wide * torch.where(wide > 0, n / (n + 2 * e**2), n / (n + 2))


@pytest.mark.parametrize("make", [lambda: BlockedMish(inplace=False), FusedMish])
def test_mish_is_exact_to_rounding(make):
    x = VALUES.clone()
    found = make()(x)
    torch.testing.assert_close(x, VALUES, rtol=0, atol=0, equal_nan=True)
    expected = exact_mish(x)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-37, equal_nan=True)
    # in bfloat16 nothing is lost but the last rounding
    half = x.bfloat16()
    expected = exact_mish(half).float().bfloat16()
    torch.testing.assert_close(make()(half), expected, rtol=2**-8, atol=1e-37, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("inplace", [False, True])
def test_mish_takes_tensors_of_any_layout_and_size(dtype, inplace):
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(2, 3, 180, 190, generator=generator).to(dtype)  # some blocks and a rest
    layouts = [dense, dense.to(memory_format=torch.channels_last), dense[..., ::2], dense[:0]]
    for x in layouts:
        given = x.clone(memory_format=torch.preserve_format) if x.is_contiguous() else x
        before = given.clone()
        result = BlockedMish(inplace=inplace)(given)
        assert (result.data_ptr() == given.data_ptr()) == inplace or not x.numel()
        expected = exact_mish(before)
        torch.testing.assert_close(result.double(), expected, rtol=2**-8, atol=1e-6)
        if not inplace:
            torch.testing.assert_close(given, before, rtol=0, atol=0)
