"""A copy of a network that gives the same answers with less work."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["lean_copy", "meta_copy", "replace"]

_SIZES = (64, 256)  # pixels: some networks refuse small slices
_CONVOLUTION = torch.ops.aten.convolution.default
_NORM = torch.ops.aten.native_batch_norm.default


def lean_copy(network: nn.Module) -> nn.Module:
    """Copy a network for prediction.

    Batch norm that follows a convolution, where nothing else reads the convolution's output,
    becomes part of it: both are linear, and the statistics are fixed. Mish works in place where
    nothing else reads its input. What follows what is seen by running the network on torch's meta
    device, where tensors have shapes but no values; a network that cannot be run there is copied
    as it is.

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
    flow = _follow(lean)
    if flow is None:
        return lean
    modules = dict(lean.named_modules())
    for convolution, norm in flow.pairs:
        _fold(modules[convolution], modules[norm])
        replace(lean, norm, nn.Identity())
    for name in flow.alone:
        mish = modules[name]
        assert isinstance(mish, nn.Mish)  # noqa: S101 - what _follow looked for
        mish.inplace = True
    return lean


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


def _follow(network: nn.Module) -> _Flow | None:
    stride = getattr(network, "stride", 1)
    for size in _SIZES:
        copied = meta_copy(network)
        recorder = _Recorder(copied)
        edge = -(-size // stride) * stride
        try:
            with torch.no_grad(), recorder:
                result = copied(torch.empty(1, 1, edge, edge, device="meta"))
        except Exception:  # noqa: S112 - any network may be given: it is run as it is
            continue
        return recorder.flow(result)
    return None


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note which operation made each tensor, and how many read it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: list[Any] = []  # an identity is one only while its object lives
        self._reads: Counter[int] = Counter()
        self._convolved: dict[int, str] = {}  # the output of a convolution: its module
        self._normed: dict[int, tuple[str, int]] = {}  # of a batch norm: its module and its input
        self._mish: defaultdict[str, list[int]] = defaultdict(list)
        self._calls: Counter[str] = Counter()
        self._owners: dict[int, str] = {}
        for name, module in network.named_modules(remove_duplicate=False):
            if _is_convolution(module):
                self._own(module.weight, name)
            elif _is_norm(module):
                self._own(module.running_mean, name)
            elif type(module) is nn.Mish:
                module.register_forward_pre_hook(self._note_mish(name))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note what it read and made."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._reads[id(leaf)] += 1
        self._kept.append((args, kwargs, result))
        if func is _CONVOLUTION:
            name = self._owners.get(id(args[1]))
            if name:
                self._calls[name] += 1
                self._convolved[id(result)] = name
        elif func is _NORM:
            name = self._owners.get(id(args[3]))
            if name:
                self._calls[name] += 1
                self._normed[id(result[0])] = (name, id(args[0]))
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
