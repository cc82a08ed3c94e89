"""A copy of a network that gives the same answers with less work."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

__all__ = ["flops_per_pixel", "lean_copy", "meta_copy", "replace"]

_SIZES = (64, 256)  # pixels: some networks refuse small slices
_CONVOLUTIONS = ("conv2d", "conv_transpose2d")
_LOOKS = ("__get__", "size", "dim", "numel", "stride", "is_contiguous")  # read no values
# what else takes time, and not in proportion to the pixels
_MULTIPLIES = ("linear", "matmul", "__matmul__", "bmm", "mm", "addmm", "baddbmm", "einsum",
               "scaled_dot_product_attention", "multi_head_attention_forward", "conv1d",
               "conv3d")  # fmt: skip
# after such a one another slice may take another way
_DECIDES = ("__bool__", "__float__", "__int__", "__index__", "item", "tolist", "numpy")


def lean_copy(network: nn.Module) -> nn.Module:
    """Copy a network for prediction.

    Batch norm that follows a convolution, where nothing else reads the convolution's output,
    becomes part of it: both are linear, and the statistics are fixed. Mish works in place where
    nothing else reads its input. What follows what is seen by running the network on a small slice;
    a network that cannot be run so, that looks at values, or gives something else afterwards is
    copied as it is.

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits; left unchanged.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, float32, on the device of `network`.
    """
    lean = copy.deepcopy(network).eval().requires_grad_(requires_grad=False).float()
    followed = _follow(lean)
    if followed is None:
        return lean
    flow = followed.recorder.flow(followed.result)
    modules = dict(lean.named_modules())
    for convolution, norm in flow.pairs:
        _fold(modules[convolution], modules[norm])
        replace(lean, norm, nn.Identity())
    for name in flow.alone:
        mish = modules[name]
        assert isinstance(mish, nn.Mish)  # noqa: S101 - what _follow looked for
        mish.inplace = True
    # what Python does not see, such as a scripted part, may read what was folded
    return lean if _agree(lean, followed) else copy.deepcopy(network).eval().float()


def _agree(lean: nn.Module, followed: _Followed) -> bool:
    with torch.no_grad():
        found = tree_leaves(lean(followed.slices.clone()))
    expected = tree_leaves(followed.result)
    return all(
        # "not more": what is no number cannot be compared, and is told when it is met
        not bool((one - other).abs().max() > 1e-3 * other.abs().max() + 1e-6)
        for one, other in zip(found, expected, strict=True)
    )


def meta_copy(network: nn.Module) -> nn.Module:
    """Copy a network to the meta device, without copying its weights first."""
    known: dict[int, Any] = {}
    for parameter in network.parameters():
        known[id(parameter)] = nn.Parameter(parameter.to("meta"), requires_grad=False)
    for buffer in network.buffers():
        known[id(buffer)] = buffer.to("meta")
    return copy.deepcopy(network, known)


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put another module in the place of the one of that name."""
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)


@dataclass
class _Flow:
    """Which batch norm follows which convolution alone, and which Mish alone reads its input."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)


def flops_per_pixel(network: nn.Module) -> float | None:
    """Count the floating-point operations of a network that consists of convolutions.

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits.

    Returns
    -------
    float or None
        2 for each multiply-add of the convolutions, for each pixel of a slice; None where it also
        multiplies matrices, so that the number depends on the size, or cannot be followed.
    """
    followed = _follow(network)
    if followed is None or followed.recorder.multiplies:
        return None
    return followed.recorder.flops / followed.pixels


@dataclass
class _Followed:
    recorder: _Recorder
    slices: Tensor
    result: Any

    @property
    def pixels(self) -> int:
        return self.slices.numel()


def _follow(network: nn.Module) -> _Followed | None:
    stride = getattr(network, "stride", 1)
    device = next(network.parameters(), torch.empty(0)).device
    for size in _SIZES:
        recorder = _Recorder(network)
        edge = -(-size // stride) * stride
        slices = torch.rand(1, 1, edge, edge, generator=torch.Generator().manual_seed(0))
        slices = slices.to(device)
        try:
            with torch.no_grad(), recorder:
                result = network(slices)
        except Exception:  # noqa: S112 - any network may be given: it is run as it is
            continue
        finally:
            recorder.remove()
        return _Followed(recorder, slices, result)
    return None


class _Recorder(TorchFunctionMode):
    """Note which function made each tensor, and how many read it.

    Calls are seen where Python makes them. (The modes that see every operation, and the meta
    device, import some 80 MB of compilers.)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.flops = 0
        self.multiplies = False
        self._kept: list[Any] = []  # an identity is one only while its object lives
        self._reads: Counter[int] = Counter()
        self._convolved: dict[int, str] = {}  # the output of a convolution: its module
        self._normed: dict[int, tuple[str, int]] = {}  # of a batch norm: its module and its input
        self._mish: defaultdict[str, list[int]] = defaultdict(list)
        self._calls: Counter[str] = Counter()
        self._owners: dict[int, str] = {}
        self._hooks = []
        for name, module in network.named_modules(remove_duplicate=False):
            if _is_convolution(module):
                self._own(module.weight, name)
            elif _is_norm(module):
                self._own(module.running_mean, name)
            elif type(module) is nn.Mish:
                self._hooks.append(module.register_forward_pre_hook(self._note_mish(name)))

    def remove(self) -> None:
        """Take the hooks off again."""
        for hook in self._hooks:
            hook.remove()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function and note what it read and made."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _LOOKS:
            return result
        if name in _DECIDES:
            raise NotImplementedError(f"it looks at values: {name}")
        self.multiplies |= name in _MULTIPLIES
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._reads[id(leaf)] += 1
        self._kept.append((args, kwargs, result))
        if name in _CONVOLUTIONS:
            inner = args[0] if "transpose" in name else result
            self.flops += 2 * inner.numel() * args[1][0].numel()
            owner = self._owners.get(id(args[1]))
            if owner:
                self._calls[owner] += 1
                self._convolved[id(result)] = owner
        elif func is functional.batch_norm:
            owner = self._owners.get(id(args[1]))
            if owner:
                self._calls[owner] += 1
                self._normed[id(result)] = (owner, id(args[0]))
        return result

    def flow(self, result: Any) -> _Flow:
        """Tell what was found, once the network has given `result`."""
        for leaf in tree_leaves(result):
            self._reads[id(leaf)] += 1
        once = {name for name, calls in self._calls.items() if calls == 1 and name}
        flow = _Flow()
        for norm, source in self._normed.values():
            convolution = self._convolved.get(source, "")
            if {norm, convolution} <= once and self._reads[source] == 1:
                flow.pairs.append((convolution, norm))
        made = {*self._convolved, *self._normed}
        for name, sources in self._mish.items():
            if all(source in made and self._reads[source] == 1 for source in sources):
                flow.alone.append(name)
        return flow

    def _own(self, tensor: Tensor, name: str) -> None:
        # what two modules share belongs to neither
        self._owners[id(tensor)] = "" if id(tensor) in self._owners else name

    def _note_mish(self, name: str) -> Any:
        def note(_: nn.Module, args: tuple[Tensor]) -> None:
            self._mish[name].append(id(args[0]))

        return note


def _is_convolution(module: nn.Module) -> bool:
    # a subclass may compute with its weights in its own way
    if isinstance(module, nn.Conv2d):
        return type(module).forward is nn.Conv2d.forward
    if isinstance(module, nn.ConvTranspose2d):
        return type(module).forward is nn.ConvTranspose2d.forward and module.groups == 1
    return False


def _is_norm(module: nn.Module) -> bool:
    return (
        isinstance(module, _BatchNorm)
        and type(module).forward is _BatchNorm.forward
        and module.running_mean is not None
    )


def _fold(convolution: Any, norm: Any) -> None:
    """Scale and shift a convolution as the batch norm after it does, rounded once."""
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale = scale * norm.weight.double()
        shift = shift * norm.weight.double() + norm.bias.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    outputs = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
    shape = [-1 if axis == outputs else 1 for axis in range(4)]
    weight = convolution.weight.double() * scale.view(shape)
    convolution.weight = nn.Parameter(weight.float(), requires_grad=False)
    convolution.bias = nn.Parameter(shift.float(), requires_grad=False)
