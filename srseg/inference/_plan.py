"""What a prediction will take, said to people and programs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PredictionPlan:
    """How a volume will be predicted, and what that takes.

    Parameters
    ----------
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    n_classes : int
        Number K of classes.
    planes : tuple of str
        The planes.
    voting : str
        ``soft`` or ``hard``.
    device, runtime, precision : str
        Where and how the network runs.
    batch : tuple of int
        Slices at a time, for each plane.
    thickness : int
        Slices in a slab, the unit that is read, added and committed.
    edge : int
        Edge of the tiles that votes are kept in.
    votes_in_memory : bool
        Whether the votes lie in memory, or in a scratch file.
    memory : int
        Bytes that the process is expected to have at the most.
    limit : int or None
        Bytes that it may have; None where nothing says it.
    scratch : int
        Bytes of the scratch file.
    box : tuple of int or None
        Shape of the largest box that is predicted at a time, with what surrounds it; None where
        slices are.
    pixels, paper_pixels : int
        Pixels that are predicted, and that would be if every rotated slice were predicted whole, as
        in the paper.
    flops : int or None
        Operations of the network; None where they are not known.
    seconds : float
        Expected time.
    notes : tuple of str
        What is not as it was asked for.
    """

    shape: tuple[int, int, int]
    n_classes: int
    planes: tuple[str, ...]
    voting: str
    device: str
    runtime: str
    precision: str
    batch: tuple[int, ...]
    thickness: int
    edge: int
    votes_in_memory: bool
    memory: int
    limit: int | None
    scratch: int
    box: tuple[int, int, int] | None
    pixels: int
    paper_pixels: int
    flops: int | None
    seconds: float
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the same as plain data for JSON.

        Returns
        -------
        dict of str to object
            Attribute names and values.
        """
        return asdict(self)

    def lines(self) -> list[str]:
        """Say the same to people.

        Returns
        -------
        list of str
            A few lines.
        """
        voxels = math.prod(self.shape)
        limit = "" if self.limit is None else f" of {gigabytes(self.limit)}"
        place = "memory" if self.votes_in_memory else f"{gigabytes(self.scratch)} of scratch"
        flops = "" if self.flops is None else f", {self.flops / 1e12:.3g} TFLOP"
        shown = " x ".join(map(str, self.shape))
        if self.box is not None:
            return self._lines_of_boxes(self.box, limit, place)
        share = self.pixels / max(1, self.paper_pixels)
        batches = " or ".join(map(str, sorted(set(self.batch))))
        planes = f"{len(self.planes)} plane{'s' * (len(self.planes) > 1)}"
        work = f"{self.pixels / voxels:.2f} volumes of pixels ({share:.0%} of the paper's "
        work += f"{self.paper_pixels / voxels:.2f}){flops}"
        if math.isfinite(self.seconds):
            work += f", about {duration(self.seconds)}"
        network = f"network on {self.device}, {self.precision}, runtime {self.runtime}"
        memory = f"memory: about {gigabytes(self.memory)}{limit}; votes in {place}"
        volume = f"{shown} voxels, {planes} ({', '.join(self.planes)})"
        return [
            f"{volume}, {self.voting} voting, {self.n_classes} classes",
            f"{network}, {batches} slice{'s' * (max(self.batch) > 1)} at a time",
            f"{memory}, slabs of {self.thickness} slices",
            f"work: {work}",
            *self.notes,
        ]

    def _lines_of_boxes(self, box: tuple[int, int, int], limit: str, place: str) -> list[str]:
        shown, largest = (" x ".join(map(str, shape)) for shape in (self.shape, box))
        work = f"{self.pixels / math.prod(self.shape):.2f} volumes of voxels"
        if math.isfinite(self.seconds):
            work += f", about {duration(self.seconds)}"
        return [
            f"{shown} voxels, {self.n_classes} classes",
            f"boxes of at most {largest} voxels, with what surrounds them",
            f"memory: about {gigabytes(self.memory)}{limit}; votes in {place}",
            f"work: {work}",
            *self.notes,
        ]


def gigabytes(n_bytes: float) -> str:
    """Say an amount of memory.

    Parameters
    ----------
    n_bytes : float
        Bytes.

    Returns
    -------
    str
        Gigabytes or megabytes, to three digits.

    Examples
    --------
    >>> gigabytes(6.25e9), gigabytes(3e8)
    ('6.25 GB', '300 MB')
    """
    return f"{n_bytes / 1e9:.3g} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def duration(seconds: float) -> str:
    """Say a time in the words that people use.

    Parameters
    ----------
    seconds : float
        The time.

    Returns
    -------
    str
        Seconds, minutes or hours.

    Examples
    --------
    >>> duration(42.3), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
