import pytest
import torch
from torch.nn import functional

from srseg.backbones import create_backbone
from srseg.errors import ParameterError


def closed_form_parameters(width: int, depth: int, n_classes: int) -> int:
    def block(into: int, out: int) -> int:
        return 9 * into * out + 9 * out * out + 2 * 2 * out

    channels = [width * 2**level for level in range(depth + 1)]
    down = sum(block(i, o) for i, o in zip([1, *channels[:-1]], channels, strict=True))
    up = sum(4 * 2 * c * c + c + block(2 * c, c) for c in channels[:-1])
    return down + up + width * n_classes + n_classes


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def reference(state: dict[str, torch.Tensor], x: torch.Tensor, depth: int) -> torch.Tensor:
    """The network of the paper's Section 2.3, written down once more from its description."""

    def block(name: str, x: torch.Tensor) -> torch.Tensor:
        for conv, norm in ((0, 1), (3, 4)):
            x = functional.conv2d(x, state[f"{name}.{conv}.weight"], padding=1)
            mean, var = state[f"{name}.{norm}.running_mean"], state[f"{name}.{norm}.running_var"]
            scale = state[f"{name}.{norm}.weight"] / torch.sqrt(var + 1e-5)
            x = (x - mean[:, None, None]) * scale[:, None, None]
            x = x + state[f"{name}.{norm}.bias"][:, None, None]
            x = x * torch.tanh(torch.log1p(torch.exp(x)))
        return x

    skips = []
    for level in range(depth):
        x = block(f"encoder.{level}", x)
        skips.append(x)
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-1, -2))
    x = block("bottleneck", x)
    for i in range(depth):
        weight, bias = state[f"up.{i}.weight"], state[f"up.{i}.bias"]
        n, _, h, w = x.shape
        x = torch.einsum("nihw,ioab->nohawb", x, weight).reshape(n, -1, 2 * h, 2 * w)
        x = torch.cat([skips[depth - 1 - i], x + bias[:, None, None]], dim=1)
        x = block(f"decoder.{i}", x)
    weight = state["head.weight"][:, :, 0, 0]
    return torch.einsum("nihw,oi->nohw", x, weight) + state["head.bias"][:, None, None]


def test_published_size() -> None:
    with torch.device("meta"):
        network = create_backbone("unet", n_classes=4, width=96, depth=5)
    assert round(count(network) / 1e6, 1) == 279.8


@pytest.mark.parametrize(("width", "depth", "n_classes"), [(1, 1, 2), (3, 2, 4), (8, 4, 3)])
def test_parameters_closed_form(width: int, depth: int, n_classes: int) -> None:
    network = create_backbone("unet", n_classes=n_classes, width=width, depth=depth)
    assert count(network) == closed_form_parameters(width, depth, n_classes)


@pytest.mark.parametrize(
    ("depth", "paper", "true"), [(3, 188, 100), (4, 460, 204), (5, 1084, 412), (6, 2492, 828)]
)
def test_fields_stride_and_reach(depth: int, paper: int, true: int) -> None:
    with torch.device("meta"):
        network = create_backbone("unet", n_classes=2, width=1, depth=depth)
    assert network.receptive_field_paper == paper
    assert network.receptive_field == true
    assert network.stride == 2**depth
    assert network.reach == {3: 52, 4: 108, 5: 220, 6: 444}[depth]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_forward_is_the_papers_network(depth: int) -> None:
    torch.manual_seed(depth)
    network = create_backbone("unet", n_classes=3, width=2, depth=depth).double()
    x = torch.rand(2, 1, 2 * 2**depth, 3 * 2**depth, dtype=torch.float64)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias)
    with torch.no_grad():
        for _ in range(3):
            network(x)  # statistics of batch norm that are neither 0 nor 1
        network.eval()
        torch.testing.assert_close(network(x), reference(network.state_dict(), x, depth))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradients_end_where_the_receptive_field_does(depth: int) -> None:
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=2, width=4, depth=depth).double().eval()
    stride, reach = network.stride, network.reach
    columns = -(-(2 * reach + 2 * stride) // stride) * stride
    start = columns // 2 // stride * stride
    # max-pooling hands a gradient to one of four pixels: many slices, so that each has its turn
    x = torch.rand(16, 1, 2 * stride, columns, dtype=torch.float64, requires_grad=True)
    logits = network(x)
    extents, farthest = [], 0
    for position in range(start, start + stride):
        (gradient,) = torch.autograd.grad(
            logits[..., position].square().sum(), x, retain_graph=True
        )
        seen = torch.nonzero(gradient.abs().amax(dim=(0, 1, 2)))[:, 0]
        first, last = int(seen[0]), int(seen[-1])
        assert last - first + 1 == len(seen)
        extents.append(last - first + 1)
        farthest = max(farthest, position - first, last - position)
    assert max(extents) == network.receptive_field
    assert farthest == reach - 1


def test_initial_weights_keep_the_variance() -> None:
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=4, width=32, depth=2)
    conv, up = network.bottleneck[3], network.up[0]
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert up.weight.std().item() == pytest.approx((1 / 128) ** 0.5, rel=0.02)
    assert torch.count_nonzero(network.head.bias) == 0


def test_seed_gives_the_weights() -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(create_backbone("unet", n_classes=2, width=2, depth=1).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])


@pytest.mark.parametrize("shape", [(12, 8), (8, 12)])
def test_slice_that_does_not_fit_is_refused(shape: tuple[int, int]) -> None:
    network = create_backbone("unet", n_classes=2, width=1, depth=3)
    with pytest.raises(ParameterError, match=r"\d+x\d+ px .* multiples of 8"):
        network(torch.zeros(1, 1, *shape))
