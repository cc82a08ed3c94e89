"""How a prediction is done in the memory at hand: slabs, and where the votes lie."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from srseg.errors import NotEnoughMemoryError
from srseg.inference._engine import batch_of
from srseg.inference._plan import PredictionPlan, gigabytes
from srseg.inference._trial import Speed, guess, measure
from srseg.machine import resident_memory, usable_memory
from srseg.planes import BoxCut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.inference._ballot import Ballot
    from srseg.inference._trial import MeasuredPredictor
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
    boxes = any(isinstance(cut, BoxCut) for cut in cuts)
    sizes: Counter[tuple[int, int, int]] = Counter()
    for cut, n in zip(cuts, batch, strict=True):
        sizes.update(cut.sizes(n))
    if limit is None:
        free = usable_memory()
        allowed = None if free is None else int(_SHARE * free) + resident_memory()
    else:
        allowed = limit
    # a trial takes memory, too: of a batch that alone does not fit there is none
    least = 4 * (1 + ballots[0][1].n_classes) * max(map(math.prod, sizes), default=0)
    if allowed is not None and least > allowed:
        speed = Speed(math.inf, None, least, resident_memory())
    else:
        stride = math.lcm(*(cut.stride for cut in cuts))
        speed = measure(predictor, sizes, stride) if trial else guess(list(sizes))
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
        raise _too_little(
            allowed, held + thinnest, speed, limit,
            resumed=thickness is not None,
            smaller="a model with smaller blocks" if boxes else "a smaller network",
        )  # fmt: skip
    if boxes and thickness is None:
        thickness = batch[0]  # one box at a time
    elif thickness is None:
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
        box=max(sizes, key=math.prod, default=None) if boxes else None,
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
    if any(isinstance(cut, BoxCut) for cut in cuts):
        # boxes that wait, and the probabilities of the one before
        others = sizes.total() - 1
        return 4 * largest * (1 + min(others, _CUT_AHEAD) + n_classes * min(others, 1))
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
    allowed: int, needed: int, speed: Speed, limit: int | None, *, resumed: bool, smaller: str
) -> NotEnoughMemoryError:
    where = "max_memory" if limit is not None else "what this machine has left"
    advice = (
        "this prediction was begun with thicker slabs: give it the memory that it had, or begin "
        "anew with --restart"
        if resumed
        else f"raise the limit, close other programs, or use {smaller}"
    )
    return NotEnoughMemoryError(
        f"the prediction needs at least {gigabytes(needed)} of memory, of which the program has "
        f"{gigabytes(speed.resident)} already and the network takes {gigabytes(speed.memory)} "
        f"for one batch; {where} is {gigabytes(allowed)}: {advice}"
    )
