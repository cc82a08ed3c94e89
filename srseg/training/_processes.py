"""The processes that train one network together: usually one, by accelerate's launcher more."""

from __future__ import annotations

import atexit
import os
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# the others wait while the first one validates or prepares: hours on a large study
_PATIENCE = timedelta(hours=6)


def _leave() -> None:
    """Close the connections to the other processes before the interpreter is taken down."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


class Processes:
    """One process, which has nobody to agree with.

    Parameters
    ----------
    device : torch.device
        Where it trains.

    Attributes
    ----------
    n : int
        Number of processes.
    n_here : int
        How many of them share this machine.
    rank : int
        Which one this is, from 0.
    """

    n = 1
    n_here = 1
    rank = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def main(self) -> bool:
        """Whether this one validates, writes and saves."""
        return self.rank == 0

    def parallel(self, network: torch.nn.Module) -> torch.nn.Module:
        """Give a network whose gradients are the mean over the processes.

        Parameters
        ----------
        network : torch.nn.Module
            The network, on `device`.

        Returns
        -------
        torch.nn.Module
            Shares its weights.
        """
        return network

    def alone(self, network: torch.nn.Module) -> AbstractContextManager[Any]:
        """Let gradients be added up without asking the others, until the last part of a batch.

        Parameters
        ----------
        network : torch.nn.Module
            What `parallel` gave.

        Returns
        -------
        context manager
            For one part.
        """
        del network
        return nullcontext()

    def add(self, values: Sequence[float]) -> list[float]:
        """Add numbers up over the processes.

        Parameters
        ----------
        values : sequence of float
            This one's.

        Returns
        -------
        list of float
            The sums, the same in every process.
        """
        return list(values)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over the processes.

        Parameters
        ----------
        tensors : sequence of Tensor
            Float, on `device`.
        """

    def tell(self, value: Any) -> Any:
        """Give what the first process has.

        Parameters
        ----------
        value : object
            This one's; only the first one's counts.

        Returns
        -------
        object
            The first one's.
        """
        return value

    def share(self, network: torch.nn.Module) -> None:
        """Give all processes the weights of the first one.

        Parameters
        ----------
        network : torch.nn.Module
            The network, on `device`.
        """

    def wait(self) -> None:
        """Wait until all processes are here."""


class ManyProcesses(Processes):
    """What `accelerate launch` or `torchrun` started.

    Parameters
    ----------
    device : torch.device
        The kind of device; which one of several is accelerate's choice.
    """

    def __init__(self, device: torch.device) -> None:
        from accelerate import PartialState

        if not distributed.is_initialized():
            atexit.register(_leave)  # threads of the connections may end in an abort otherwise
        self._state = PartialState(cpu=device.type == "cpu", timeout=_PATIENCE)
        super().__init__(self._state.device)
        self.n = int(self._state.num_processes)
        self.n_here = int(os.environ.get("LOCAL_WORLD_SIZE", self.n))
        self.rank = int(self._state.process_index)

    def parallel(self, network: torch.nn.Module) -> torch.nn.Module:
        """Give a network whose gradients are the mean over the processes.

        Parameters
        ----------
        network : torch.nn.Module
            The network, on `device`.

        Returns
        -------
        torch.nn.Module
            Shares its weights.
        """
        return torch.nn.parallel.DistributedDataParallel(network)

    def alone(self, network: torch.nn.Module) -> AbstractContextManager[Any]:
        """Let gradients be added up without asking the others, until the last part of a batch.

        Parameters
        ----------
        network : torch.nn.Module
            What `parallel` gave.

        Returns
        -------
        context manager
            For one part.
        """
        context: AbstractContextManager[Any] = network.no_sync()  # type: ignore[operator]
        return context

    def add(self, values: Sequence[float]) -> list[float]:
        """Add numbers up over the processes.

        Parameters
        ----------
        values : sequence of float
            This one's.

        Returns
        -------
        list of float
            The sums, the same in every process.
        """
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over the processes.

        Parameters
        ----------
        tensors : sequence of Tensor
            Float, on `device`.
        """
        if not tensors:
            return
        together = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(together)
        together /= self.n
        parts = torch.split(together, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def tell(self, value: Any) -> Any:
        """Give what the first process has.

        Parameters
        ----------
        value : object
            This one's; only the first one's counts.

        Returns
        -------
        object
            The first one's.
        """
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def share(self, network: torch.nn.Module) -> None:
        """Give all processes the weights of the first one.

        Parameters
        ----------
        network : torch.nn.Module
            The network, on `device`.
        """
        for tensor in network.state_dict().values():
            sent = tensor.contiguous()  # convolutions lie in memory channels last
            distributed.broadcast(sent, 0)
            tensor.copy_(sent)

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._state.wait_for_everyone()


def launched() -> bool:
    """Tell whether this is one of several processes that a launcher started.

    Returns
    -------
    bool
        Whether ``WORLD_SIZE``, which launchers set beside ``RANK``, is more than 1.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    return "RANK" in os.environ and size.isdecimal() and int(size) > 1


def is_main() -> bool:
    """Tell whether this is the process that writes and speaks: the only one, or the first.

    Returns
    -------
    bool
        Whether it is; known without waiting for the others.
    """
    return not launched() or os.environ["RANK"] == "0"


def find_processes(device: torch.device) -> Processes:
    """Find the processes that train together with this one.

    Parameters
    ----------
    device : torch.device
        Where to train; of several processes each takes its own of that kind.

    Returns
    -------
    Processes
        One without a launcher, and all that it started with one.
    """
    return ManyProcesses(device) if launched() else Processes(device)
