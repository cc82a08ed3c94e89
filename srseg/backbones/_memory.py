"""How many bytes the tensors of a computation hold, told from their shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["LiveMemory"]


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follow the tensors that operations make while this is entered, until they are freed.

    Works on the meta device as on any other. Tensors that were there before are not counted.

    Attributes
    ----------
    peak : int
        The most bytes that were held at once.
    largest : int
        Bytes of the largest single tensor.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self.largest = 0
        self._held: dict[Any, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note the storages of what it returns."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                # views share a storage, which counts once
                storage = leaf.untyped_storage()
                ref: Any = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._held[ref] = storage.nbytes()
                self.largest = max(self.largest, storage.nbytes())
        self._held = {ref: size for ref, size in self._held.items() if not ref.expired()}
        self.peak = max(self.peak, sum(self._held.values()))
        return result
