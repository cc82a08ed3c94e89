"""Follow a slice through a network, operation by operation, and note its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from srseg.backbones._field import Field, period_of
from srseg.backbones._flow import Known, after, hull, hull_of_paper, paper_rule, through
from srseg.backbones._steps import ACTIVATIONS, NORMS, SUMS, Step, new_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.flop_counter import FlopCounterMode

__all__ = ["Trace"]


class Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follow the operations of a network on one slice; enter it inside of `counter`.

    Works on the meta device as on any other. Operations of each other are told by the tensors that
    they hand on, layers of the network by hooks.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in evaluation mode.
    counter : FlopCounterMode
        Counts what each operation costs.

    Attributes
    ----------
    steps : list of Step
        The layers, in the order in which they ran.
    """

    def __init__(self, network: nn.Module, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self._network = network
        self._counter = counter
        # keyed by identity; tensors are held, so that no other takes the place of one
        self._known: dict[int, Known] = {}
        self._weights: dict[int, set[int]] = {id(p): {id(p)} for p in network.parameters()}
        self._counted: set[int] = set()
        self._sizes = {id(p): p.numel() for p in network.parameters() if p.requires_grad}
        self._held: list[Any] = []
        self._names: list[str] = [""]

    def run(self, slices: Tensor) -> None:
        """Run the network on slices of shape (1, 1, H, W).

        Parameters
        ----------
        slices : Tensor of shape (1, 1, H, W)
            A slice, on the network's device.
        """
        of_input = Field.of_input(period_of(int(self._network.stride)))  # type: ignore[arg-type]
        self._held.append(slices)
        self._known[id(slices)] = Known(-1, (of_input, of_input), (1, 1))
        hooks = []
        for name, module in self._network.named_modules():
            if name:
                hooks.append(module.register_forward_pre_hook(self._entering(name)))
                hooks.append(module.register_forward_hook(self._left))
        try:
            with torch.no_grad(), self:
                self._network(slices)
        finally:
            for hook in hooks:
                hook.remove()
        self._note_unused()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note what it does."""
        before = self._counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        flops = self._counter.get_total_flops() - before
        self._note(func, args, kwargs or {}, result, flops)
        return result

    def _entering(self, name: str) -> Any:
        def enter(module: nn.Module, args: Any) -> None:  # noqa: ARG001
            self._names.append(name)

        return enter

    def _left(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        self._names.pop()

    def _note(self, func: Any, args: Any, kwargs: dict[str, Any], result: Any, flops: int) -> None:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        data = [self._known[id(tensor)] for tensor in given if id(tensor) in self._known]
        weights = set().union(*(self._weights.get(id(tensor), ()) for tensor in given))
        self._held.extend(made)
        if not data:
            # weights on their way to where they are used, or made ready there
            for tensor in made:
                self._weights[id(tensor)] = self._weights.get(id(tensor), set()) | weights
            return
        name = func._schema.name.removeprefix("aten::").removesuffix("_")
        known = self._step(name, func, args, data, made, flops)
        for tensor in made:
            self._known[id(tensor)] = known
        if known.step >= 0:
            step = self.steps[known.step]
            step.parameters += sum(self._sizes.get(one, 0) for one in weights - self._counted)
            self._counted |= weights

    def _step(
        self, name: str, func: Any, args: Any, data: list[Known], made: list[Tensor], flops: int
    ) -> Known:
        """Make a new layer of an operation, or add it to the layer that it follows."""
        fields, paper = hull(data), hull_of_paper(data)
        latest = max(one.step for one in data)
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
        step = new_step(name, args, tensors, made[0], flops, joined=len(data))
        if step is None:
            if latest >= 0:
                self._follow(name, latest, data)
            fields = after(name, func, args, fields, made[0])
            return Known(latest, fields, paper)
        step.module, step.flops = self._names[-1], flops
        step.inputs = {one.step for one in data}
        fields = through(name, args, fields, tensors[0], made[0])
        paper = paper_rule(step, paper)
        step.seen = None if fields is None else max(one.widest for one in fields)
        step.seen_paper = paper[0]
        self.steps.append(step)
        return Known(len(self.steps) - 1, fields, paper)

    def _follow(self, name: str, latest: int, data: Sequence[Known]) -> None:
        step = self.steps[latest]
        word = NORMS.get(name) or ACTIVATIONS.get(name)
        if name in SUMS and len(data) > 1:
            word = SUMS[name]
            step.inputs |= {one.step for one in data} - {latest}
        if word:
            step.words.append(word)

    def _note_unused(self) -> None:
        """Add what the network keeps but no slice goes through."""
        rest = sum(size for one, size in self._sizes.items() if one not in self._counted)
        if rest:
            self.steps.append(Step("", "weights", ["weights that no slice uses"], parameters=rest))
