"""What a prediction will take, before it begins: memory, scratch space, operations, time."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from srseg.errors import NotEnoughMemoryError
from srseg.inference._engine import Predictor, batch_of
from srseg.machine import peak_memory, resident_memory, usable_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.inference._ballot import Ballot
    from srseg.planes import Cut, Plane

_CUT_AHEAD = 5  # batches of slices that wait, beside the one in the network
_THICKNESSES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
_LEAST = 32 << 20  # slabs smaller than that save nothing
_SLABS_IN_MEMORY = 1.25  # bytes a voxel of the volume that slabs may take beside votes in memory
_SLABS_IN_SCRATCH = 2.0  # thick slabs touch each tile of a file less often
_BYTES_PER_POINT = 300  # tables of where the columns of a rotated volume lie, while they are made
_SLACK = 1.15  # of what is computed: allocators keep some in reserve
_LARGE, _SMALL = 64, 32  # edges of tiles
_THIN = 32  # slices: of slabs that touch large tiles in vain
_OVERHEAD = 16 << 20  # tiles, tables, the reader's own
_FUSION = 30e-9  # seconds a voxel and plane that planes and fusion take beside the network
_SHARE = 0.9  # of the memory that is free may be taken where no limit is set
_LONG_ENOUGH = 0.7  # seconds of trial
_BYTES_PER_PIXEL = 1024  # of a batch, that a network is taken to need where it was not tried


class MeasuredPredictor(Predictor, Protocol):
    """A predictor that tells what a batch costs."""

    @property
    def precision(self) -> str:
        """How it computes."""

    @property
    def runtime(self) -> str:
        """What runs it."""

    @property
    def notes(self) -> list[str]:
        """What is not as it was asked for."""

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Make ready for batches of these shapes (n, h, w)."""

    def flops(self, n: int, height: int, width: int) -> int | None:
        """Tell the operations of a batch; None where they are not known."""


@dataclass(frozen=True)
class Speed:
    """What a short trial of the network told.

    Parameters
    ----------
    pixels_per_second : float
        How many pixels it predicts.
    flops_per_second : float or None
        How many operations that is.
    memory : int
        Bytes that the network needs at its peak, beside what stays.
    resident : int
        Bytes that the process has between two batches.
    """

    pixels_per_second: float
    flops_per_second: float | None
    memory: int
    resident: int


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
        limit = "" if self.limit is None else f" of {_gigabytes(self.limit)}"
        place = "memory" if self.votes_in_memory else f"{_gigabytes(self.scratch)} of scratch"
        flops = "" if self.flops is None else f", {self.flops / 1e12:.3g} TFLOP"
        shown = " x ".join(map(str, self.shape))
        share = self.pixels / max(1, self.paper_pixels)
        batches = " or ".join(map(str, sorted(set(self.batch))))
        planes = f"{len(self.planes)} plane{'s' * (len(self.planes) > 1)}"
        work = f"{self.pixels / voxels:.2f} volumes of pixels ({share:.0%} of the paper's "
        work += f"{self.paper_pixels / voxels:.2f}){flops}"
        if math.isfinite(self.seconds):
            work += f", about {duration(self.seconds)}"
        network = f"network on {self.device}, {self.precision}, runtime {self.runtime}"
        memory = f"memory: about {_gigabytes(self.memory)}{limit}; votes in {place}"
        volume = f"{shown} voxels, {planes} ({', '.join(self.planes)})"
        return [
            f"{volume}, {self.voting} voting, {self.n_classes} classes",
            f"{network}, {batches} slice{'s' * (max(self.batch) > 1)} at a time",
            f"{memory}, slabs of {self.thickness} slices",
            f"work: {work}",
            *self.notes,
        ]


def measure(predictor: MeasuredPredictor, sizes: Sequence[tuple[int, int, int]]) -> Speed:
    """Try the network on the largest batch, to know its speed and memory.

    Parameters
    ----------
    predictor : MeasuredPredictor
        The network.
    sizes : sequence of (n, h, w)
        The shapes of batches to come.

    Returns
    -------
    Speed
        What was found.
    """
    if not sizes:  # nothing is wanted
        return Speed(math.inf, None, 0, resident_memory())
    predictor.prepare(sizes)
    n, height, width = max(sizes, key=math.prod)
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand((n, height, width), generator=generator).to(predictor.device)
    before = resident_memory()
    with peak_memory() as peak:
        seconds = _time(predictor, batch)
        spent, runs = seconds, 1
        while spent < _LONG_ENOUGH:
            seconds = min(seconds, _time(predictor, batch)) if runs > 1 else _time(predictor, batch)
            spent, runs = spent + seconds, runs + 1
    resident = resident_memory()
    flops = predictor.flops(n, height, width)
    return Speed(
        pixels_per_second=n * height * width / seconds,
        flops_per_second=None if flops is None else flops / seconds,
        memory=max(0, peak.n_bytes - max(resident, before)),
        resident=resident,
    )


def _guess(sizes: Counter[tuple[int, int, int]]) -> Speed:
    largest = max(map(math.prod, sizes), default=0)
    return Speed(math.inf, None, _BYTES_PER_PIXEL * largest, resident_memory())


def _time(predictor: Predictor, batch: torch.Tensor) -> float:
    began = time.perf_counter()
    predictor(batch)
    if predictor.device.type == "cuda":
        torch.cuda.synchronize(predictor.device)
    return max(time.perf_counter() - began, 1e-9)


def plan_prediction(
    cuts: Sequence[Cut],
    ballots: Sequence[tuple[Sequence[Plane], Ballot]],
    predictor: MeasuredPredictor,
    *,
    limit: int | None = None,
    in_scratch: bool | None = None,
    beside: int = 0,
    edge: int | None = None,
    thickness: int | None = None,
    trial: bool = True,
) -> PredictionPlan:
    """Decide how a volume is predicted: slabs, and where the votes lie.

    Batches and slices are the same whatever memory there is, and so are the results.

    Parameters
    ----------
    cuts : sequence of Cut
        The planes through the volume.
    ballots : sequence of (planes, Ballot)
        What is counted of which planes.
    predictor : MeasuredPredictor
        The network.
    limit : int, optional
        Bytes that this process may have; nine tenths of what is free beside what it has where it is
        None.
    in_scratch : bool, optional
        Whether the votes lie in a scratch file; only if they do not fit into memory where it is
        None.
    beside : int, default=0
        Bytes of what else is made and lies where the votes lie: a copy of the scan.
    edge, thickness : int, optional
        Edge of the tiles and slices in a slab, of a prediction that goes on.
    trial : bool, default=True
        Whether the network is tried on a batch, to know its speed and memory. Without, these are
        guessed, and the time is not told.

    Returns
    -------
    PredictionPlan
        The plan.

    Raises
    ------
    NotEnoughMemoryError
        If even the thinnest slabs do not fit.
    """
    shape = cuts[0].shape
    voxels = math.prod(shape)
    batch = tuple(batch_of(predictor, cut) for cut in cuts)
    sizes: Counter[tuple[int, int, int]] = Counter()
    for cut, n in zip(cuts, batch, strict=True):
        sizes.update(cut.sizes(n))
    speed = measure(predictor, list(sizes)) if trial else _guess(sizes)
    if limit is None:
        free = usable_memory()
        allowed = None if free is None else int(_SHARE * free) + resident_memory()
    else:
        allowed = limit
    edge = edge or (_LARGE if min(shape) >= 2 * _LARGE else _SMALL)
    per_voxel = sum(ballot.channels * ballot.dtype.itemsize for _, ballot in ballots)
    votes = beside + per_voxel * edge**3 * math.prod(-(-n // edge) for n in shape)
    fixed = speed.resident + int(_SLACK * speed.memory) + _OVERHEAD
    fixed += int(_SLACK * _under_way(cuts, batch, sizes, ballots[0][1].n_classes))

    def slabs(thickness: int) -> int:
        return (
            max(
                _of_a_slab(cut, cut.voxels(slab), per_voxel)
                for cut, n in zip(cuts, batch, strict=True)
                for slab in cut.slabs(max(thickness // n, 1) * n, n)
            )
            if sizes
            else 0
        )

    thinnest = slabs(1)
    if in_scratch is None:
        in_scratch = allowed is not None and fixed + votes + max(thinnest, _LEAST) > allowed
    held = fixed + (0 if in_scratch else votes)
    if (
        allowed is not None
        and held + (thinnest if thickness is None else slabs(thickness)) > allowed
    ):
        raise _too_little(allowed, held + thinnest, speed, limit, resumed=thickness is not None)
    if thickness is None:
        room = max(_LEAST, int((_SLABS_IN_SCRATCH if in_scratch else _SLABS_IN_MEMORY) * voxels))
        if allowed is not None:
            room = min(room, allowed - held)
        thickness = next((t for t in _THICKNESSES if slabs(t) <= room), 1)
        if in_scratch and thickness < _THIN and edge > _SMALL:
            # each slab writes all tiles that it touches
            edge = _SMALL
    flops = sum(count * (predictor.flops(*size) or 0) for size, count in sizes.items())
    pixels = sum(cut.pixels(n) for cut, n in zip(cuts, batch, strict=True))
    if speed.flops_per_second:
        seconds = flops / speed.flops_per_second
    else:
        seconds = pixels / speed.pixels_per_second
    return PredictionPlan(
        shape=shape,
        n_classes=ballots[0][1].n_classes,
        planes=tuple(cut.plane.name for cut in cuts),
        voting="+".join(dict.fromkeys(ballot.voting for _, ballot in ballots)),
        device=str(predictor.device),
        runtime=predictor.runtime,
        precision=predictor.precision,
        batch=batch,
        thickness=thickness,
        edge=edge,
        votes_in_memory=not in_scratch,
        memory=held + slabs(thickness),
        limit=allowed,
        # the copy of the scan is made of one in 4 bytes a voxel
        scratch=votes + 2 * beside if in_scratch else 0,
        pixels=pixels,
        paper_pixels=sum(cut.paper_pixels for cut in cuts),
        flops=flops or None,
        seconds=seconds + _FUSION * voxels * len(cuts),
        notes=tuple(predictor.notes),
    )


def _under_way(
    cuts: Sequence[Cut],
    batch: Sequence[int],
    sizes: Counter[tuple[int, int, int]],
    n_classes: int,
) -> int:
    """Slices that wait for the network, and probabilities of a batch on their way back."""
    largest = max(map(math.prod, sizes), default=0)
    # whole lines, the one before them, and what is carried from slab to slab
    lines = max((n + 3) * math.prod(cut.slice_size) for cut, n in zip(cuts, batch, strict=True))
    return 4 * (largest * (_CUT_AHEAD + 2 * n_classes) + lines * n_classes)


def _of_a_slab(cut: Cut, voxels: int, per_voxel: int) -> int:
    # voxels of one slab as float32, votes of it and of the one before
    needed = voxels * (4 + 2 * per_voxel)
    axis = cut.plane.rotation_axis
    if axis is not None:
        needed += _BYTES_PER_POINT * (voxels // cut.shape[axis])
    return int(_SLACK * needed)


def _too_little(
    allowed: int, needed: int, speed: Speed, limit: int | None, *, resumed: bool
) -> NotEnoughMemoryError:
    where = "max_memory" if limit is not None else "what this machine has left"
    advice = (
        "this prediction was begun with thicker slabs: give it the memory that it had, or begin "
        "anew with --restart"
        if resumed
        else "raise the limit, close other programs, or use a smaller network"
    )
    return NotEnoughMemoryError(
        f"the prediction needs at least {_gigabytes(needed)} of memory, of which the program has "
        f"{_gigabytes(speed.resident)} already and the network takes {_gigabytes(speed.memory)} "
        f"for one batch; {where} is {_gigabytes(allowed)}: {advice}"
    )


def _gigabytes(n_bytes: float) -> str:
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
