"""The rules that `check_backbone` checks, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor

from srseg.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = [
    "evaluation_is_a_function_of_the_slice",
    "gradients_reach_every_parameter",
    "logits_have_the_shape",
    "nothing_beyond_reach",
    "weights_travel",
]


def logits_have_the_shape(network: nn.Module, n_classes: int, smallest: int) -> None:
    """Logits have the slice's height and width and one finite float32 map per class."""
    stride = _stride(network)
    for rows, columns in ((0, 0), (0, 1), (2, 1)):
        x = torch.rand(2, 1, (smallest + rows) * stride, (smallest + columns) * stride)
        before = x.clone()
        with torch.no_grad():
            logits = _run(network, x)
        expected = (2, n_classes, *x.shape[2:])
        if tuple(logits.shape) != expected:
            raise PluginError(
                f"slices of shape {tuple(x.shape)} gave logits of shape {tuple(logits.shape)}; "
                f"{expected} is needed, one map per class in the slices' height and width"
            )
        if logits.dtype != torch.float32:
            raise PluginError(
                f"float32 slices gave logits of {logits.dtype}; return float32, precision is the "
                "caller's choice"
            )
        if not torch.isfinite(logits).all():
            raise PluginError(f"slices of {_size(x)} px with grey values in [0, 1] gave NaN or inf")
        if not torch.equal(x, before):
            raise PluginError(
                "the network changes the slices it is given; its first layer must not work in place"
            )


def gradients_reach_every_parameter(network: nn.Module, n_classes: int, smallest: int) -> None:
    """Each parameter that asks for a gradient gets one, a finite one."""
    size = (smallest + 1) * _stride(network)
    network.train()
    target = torch.randint(n_classes, (2, size, size))
    logits = _run(network, torch.rand(2, 1, size, size))
    if logits.shape[1] != n_classes or logits.shape[2:] != target.shape[1:]:
        network.eval()
        logits_have_the_shape(network, n_classes, smallest)  # has the sentence for it
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    if not logits.requires_grad or not trained:
        raise PluginError(
            "the logits depend on no parameter that can be trained; is something detached, or run "
            "without gradients?"
        )
    torch.nn.functional.cross_entropy(logits, target).backward()  # type: ignore[no-untyped-call]
    without = [name for name, p in trained if p.grad is None]
    if without:
        raise PluginError(
            f"no gradient reaches {_some(without)}; use these parameters, remove them, or set "
            "requires_grad=False"
        )
    broken = [name for name, p in trained if p.grad is None or not torch.isfinite(p.grad).all()]
    if broken:
        raise PluginError(f"the gradient of {_some(broken)} is NaN or inf on slices in [0, 1]")
    network.zero_grad(set_to_none=True)


def evaluation_is_a_function_of_the_slice(network: nn.Module, smallest: int) -> None:
    """In evaluation mode neither chance, nor the other slices, nor what came before matter."""
    size = (smallest + 1) * _stride(network)
    x = torch.rand(3, 1, size, size)
    before = _tensors(network)
    with torch.no_grad():
        together = _run(network, x)
        again = _run(network, x)
        alone = torch.cat([_run(network, x[i : i + 1]) for i in range(len(x))])
    if not _same(again, together):
        raise PluginError(
            "the same slices gave different logits twice in evaluation mode; is dropout or another "
            "random step on although training is off?"
        )
    if not _same(alone, together):
        raise PluginError(
            "a slice gave other logits alone than among others in evaluation mode; does a "
            "normalisation use the statistics of the batch?"
        )
    changed = [name for name, value in _tensors(network).items() if not value.equal(before[name])]
    if changed:
        raise PluginError(f"a prediction in evaluation mode changed {_some(changed)}")


def weights_travel(network: nn.Module, other: nn.Module, smallest: int) -> None:
    """All that the logits depend on is in ``state_dict``, and fits into safetensors."""
    kept = safetensors.torch.load(safetensors.torch.save(_tensors(network)))
    try:
        other.load_state_dict(kept)
    except RuntimeError as error:
        raise PluginError(
            f"a second network of the same factory cannot take over the weights: {error}"
        ) from error
    size = (smallest + 1) * _stride(network)
    x = torch.rand(1, 1, size, size)
    with torch.no_grad():
        if not _same(_run(other, x), _run(network, x)):
            raise PluginError(
                "a second network with the same state_dict gave other logits; register every "
                "tensor that matters as a parameter or a buffer"
            )


def nothing_beyond_reach(network: nn.Module, smallest: int) -> None:
    """Pixels farther away than ``reach`` and the borders beyond it have no influence."""
    reach: Any = network.reach
    if reach is None:
        return
    stride = _stride(network)
    # in float64 the influence of a far pixel stands out from rounding
    network = network.double()
    with torch.no_grad():
        _check_far_pixels(network, stride, reach, smallest)
        _check_cut(network, stride, reach, smallest)


def _check_far_pixels(network: nn.Module, stride: int, reach: int, smallest: int) -> None:
    length = _round_up(2 * reach + 3 * stride, stride)
    whole = torch.rand(1, 1, length, (smallest + 1) * stride, dtype=torch.float64)
    changed = whole.repeat(stride, 1, 1, 1)
    near = torch.zeros(stride, 1, *whole.shape[2:], dtype=torch.bool)
    # one slice for each position of the change relative to the stride
    for offset in range(stride):
        first = reach + stride + offset
        changed[offset, :, first:] = 10 * torch.rand_like(changed[offset, :, first:])
        near[offset, :, : first - reach] = True
    views: dict[str, Callable[[Tensor], Tensor]] = {
        "below": lambda t: t,
        "above": lambda t: t.flip(-2),
        "to the right of": lambda t: t.transpose(-1, -2),
        "to the left of": lambda t: t.flip(-2).transpose(-1, -2),
    }
    for direction, view in views.items():
        expected = _run(network, view(whole))
        found = _run(network, view(changed))
        if not _same(torch.where(view(near), found, expected), expected.expand_as(found)):
            raise PluginError(
                f"reach={reach} px, but pixels farther {direction} a pixel than that change its "
                "logits; raise `reach` (None if every pixel sees the whole slice)"
            )


def _check_cut(network: nn.Module, stride: int, reach: int, smallest: int) -> None:
    size = _round_up(2 * reach + (smallest + 3) * stride, stride)
    whole = torch.rand(1, 1, size, size, dtype=torch.float64)
    cut = slice(stride, size - stride)
    inside = slice(reach, size - 2 * stride - reach)
    expected = _run(network, whole)[:, :, cut, cut][:, :, inside, inside]
    if not _same(_run(network, whole[:, :, cut, cut])[:, :, inside, inside], expected):
        raise PluginError(
            f"reach={reach} px, but a slice cut at multiples of the stride {stride} gave other "
            "logits farther inside than that; raise `reach`, or set it to None if the network "
            "knows where in the slice a pixel lies"
        )


def _run(network: nn.Module, x: Tensor) -> Tensor:
    try:
        logits = network(x)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise PluginError(
            f"slices of {_size(x)} px, {x.dtype}, a batch of {len(x)}, made the network fail "
            f"({type(error).__name__}: {error}); is stride={network.stride} what height and width "
            "must be a multiple of?"
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 4:
        kind = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise PluginError(
            f"the network returned {kind}; it must return one tensor of logits, "
            "of shape (N, K, H, W)"
        )
    return logits


def _same(found: Tensor, expected: Tensor) -> bool:
    # a library may add in another order for another shape: a few thousand roundings are allowed
    largest = float(expected.abs().max())
    tolerance = 4096 * torch.finfo(expected.dtype).eps * max(largest, 1e-3)
    return bool(torch.allclose(found, expected, rtol=0, atol=tolerance))


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    state = network.state_dict()
    foreign = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if foreign:
        raise PluginError(
            f"state_dict holds more than tensors ({_some(foreign)}); models are kept as "
            "safetensors, which takes tensors only"
        )
    # clones: parameters that share their memory are kept twice
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


def _stride(network: nn.Module) -> int:
    stride: Any = network.stride
    return int(stride)


def _round_up(size: int, stride: int) -> int:
    return -(-size // stride) * stride


def _size(x: Tensor) -> str:
    return f"{x.shape[-2]}x{x.shape[-1]}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
