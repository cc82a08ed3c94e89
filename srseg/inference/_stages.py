"""Where the time of a prediction went."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Stages:
    """Where the time of a prediction went, in seconds.

    Reading, cutting and adding up happen in threads of their own, beside the network.

    Parameters
    ----------
    read, cut, network, back, add : float
        Reading voxels, cutting slices out of them, the network, bringing probabilities back to
        the voxels, and adding them to the votes (and committing these).
    waited : float
        How long the network stood still because slices or votes were not ready.
    slabs, slices, pixels : int
        What was predicted.
    """

    read: float = 0.0
    cut: float = 0.0
    network: float = 0.0
    back: float = 0.0
    add: float = 0.0
    waited: float = 0.0
    slabs: int = 0
    slices: int = 0
    pixels: int = 0

    def __post_init__(self) -> None:
        self._began = time.perf_counter()

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time that a block takes to a stage.

        Parameters
        ----------
        stage : str
            Name of the stage.

        Yields
        ------
        None
            Nothing.
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - began)

    def to_dict(self) -> dict[str, float]:
        """Give the numbers for a report.

        Returns
        -------
        dict of str to float
            Seconds by stage, ``total_s`` since this was made, and the counts.
        """
        names = ("read", "cut", "network", "back", "add", "waited")
        return {
            **{f"{name}_s": round(getattr(self, name), 3) for name in names},
            "total_s": round(time.perf_counter() - self._began, 3),
            **{name: getattr(self, name) for name in ("slabs", "slices", "pixels")},
        }
