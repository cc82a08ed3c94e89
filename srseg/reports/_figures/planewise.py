"""What single planes and fused ones say of a class in a cut, predicted around the cut alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.estimators import Prediction
from srseg.planes import resolve_planes, standard_planes
from srseg.preprocessing import model_grid, prepare
from srseg.quantification import find_class
from srseg.reports._figures.cuts import Cut, find_cuts
from srseg.volumes import ArraySample, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.estimators import SliceSegmenter
    from srseg.planes import Plane
    from srseg.volumes import Grid, Region, Sample

_CONTEXT = 64
_EDGE = 384


@dataclass(frozen=True)
class PlanewiseCut:
    """Probabilities in a cut by single planes and by fused ones.

    Parameters
    ----------
    cut : Cut
        The slice, of the model's grid.
    part : tuple of two slices
        Which rows and columns of it.
    pixel : tuple of float
        Height and width of a pixel [µm].
    scan : ndarray of shape (rows, columns)
        What the network sees, 0 to 1.
    planes : tuple of str
        What is compared: ``rc``, ``cp``, ``pr``, ``3 planes``, ``9 planes``.
    classes : tuple of str
        Names of the classes.
    probabilities : ndarray of shape (len(planes), len(classes), rows, columns), float32
        The probability of each class at each pixel.
    context : int
        How many voxels around the part the network was given.
    reach : int or None
        How many it would look at; None for whole slices.
    """

    cut: Cut
    part: tuple[slice, slice]
    pixel: tuple[float, float]
    scan: NDArray[np.float32]
    planes: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    context: int
    reach: int | None

    @property
    def is_exact(self) -> bool:
        """Whether the network was given all that it looks at."""
        return self.reach is not None and self.context >= self.reach

    def roughness(self) -> NDArray[np.float64]:
        """Tell how far pixels stand out from both neighbours: stripes do, in one direction.

        Returns
        -------
        ndarray of shape (len(planes), len(classes), 2)
            Mean absolute second difference of the probabilities down and to the right; NaN where
            the part is thinner than 3 pixels.
        """
        values = self.probabilities.astype(np.float64)
        found = np.full((*values.shape[:2], 2), np.nan)
        for number, axis in enumerate((2, 3)):
            if values.shape[axis] > 2:
                found[..., number] = np.abs(np.diff(values, 2, axis=axis)).mean(axis=(2, 3))
        return found


def predict_planewise(
    segmenter: SliceSegmenter,
    sample: Sample,
    *,
    classes: Sequence[str | int],
    slices: Sequence[str] = ("rc",),
    box: Region | None = None,
    planes: int | Sequence[Plane | str] = 9,
    context: int | None = None,
) -> list[PlanewiseCut]:
    """Predict cuts of a sample along single planes, and fuse 3 of them and all.

    Only a box around each cut is predicted. Grey values are normalised as those of the whole scan.
    With a context of at least the network's reach, what the planes along the axes say is what they
    say in the whole scan; rotated planes are cut through the box, turned about its centre, so that
    they are interpolated at slightly other places.

    Parameters
    ----------
    segmenter : SliceSegmenter
        A fitted estimator that predicts slices, such as `load_model` gives.
    sample : Sample
        The scan.
    classes : sequence of str or int
        Names, abbreviations or values of the classes.
    slices : sequence of str, default=("rc",)
        Plane and number of a slice such as ``"rc:100"`` or ``"cp:25%"``; without a number the
        middle one. Counted in voxels of the model's grid, on which predictions lie.
    box : tuple of three slices, optional
        The part that is shown, in voxels (z, y, x) of the model's grid; at most 384 x 384 pixels in
        the middle of each slice where it is None.
    planes : int or sequence of Plane or str, default=9
        The planes that are fused in the last column: 3, 9, or a list.
    context : int, optional
        How many voxels around the part the network is given; its reach, but at most 64, where it is
        None.

    Returns
    -------
    list of PlanewiseCut
        For each slice what is to be shown.

    Raises
    ------
    ParameterError
        If slices or the box lie outside, or the box is missed by a slice.
    UnknownNameError
        If there is no such class.
    """
    size = segmenter.voxel_size_
    grid = sample.scan_grid if size is None else model_grid(sample.scan_grid, size)
    if context is not None and context < 0:
        raise ParameterError(f"the context is a number of voxels, found {context}")
    if context is None:
        context = _CONTEXT if segmenter.reach is None else min(segmenter.reach, _CONTEXT)
    wanted = [find_class(segmenter.label_table_, one) for one in classes]
    if not wanted:
        raise ParameterError("no class is asked for; name one, such as bone")
    cuts = find_cuts(slices, grid.shape, rotated=False)
    parts = [_part(cut, box, grid) for cut in cuts]
    choices = _choices(resolve_planes(planes))
    whole = sample.prepared(size, segmenter.clip_)
    if whole is None:
        whole = prepare(sample.scan, voxel_size=size, clip=segmenter.clip_)
    index = [segmenter.label_table_.values.index(one.value) for one in wanted]
    found = []
    for cut, part in zip(cuts, parts, strict=True):
        region = _around(cut, part, context, segmenter.stride)
        values = np.asarray(whole.read(region), np.float32)
        around = Volume(values, whole.grid.cropped(region), normalised=True, field=whole.field)
        there = Cut(cut.plane, cut.index - region[cut.plane.stacking].start, values.shape)
        rows, columns = cut.plane.slice_axes
        inside = (_moved(part[0], region[rows]), _moved(part[1], region[columns]))
        with Prediction(segmenter, [(c, "soft") for c in choices.values()],
                        ArraySample(sample.name, around)) as prediction:  # fmt: skip
            prediction.run(warn=False)
            probabilities = np.stack(
                [_read(prediction, n, index, there, inside) for n in range(len(choices))]
            )
        found.append(
            PlanewiseCut(
                cut, part, cut.pixel(grid), there.read(around, inside), tuple(choices),
                tuple(one.name for one in wanted), probabilities, context, segmenter.reach,
            )
        )  # fmt: skip
    return found


def _choices(planes: Sequence[Plane]) -> dict[str, Sequence[Plane]]:
    """Give the planes of each column: single ones, the three of them, all."""
    straight = standard_planes(3)
    choices: dict[str, Sequence[Plane]] = {plane.name: (plane,) for plane in straight}
    choices["mean of 3 planes"] = straight
    if set(planes) != set(straight):
        choices[f"mean of {len(planes)} planes"] = planes
    return choices


def _part(cut: Cut, box: Region | None, grid: Grid) -> tuple[slice, slice]:
    if box is None:
        starts = [max(0, (n - _EDGE) // 2) for n in cut.size]
        down, right = (
            slice(start, min(n, start + _EDGE)) for start, n in zip(starts, cut.size, strict=True)
        )
        return down, right
    grid.cropped(box)  # refuses a box that is not inside
    part = cut.part(box)
    if part is None:
        raise ParameterError(
            f"slice {cut.name} does not go through the box "
            f"{','.join(f'{p.start}:{p.stop}' for p in box)}; choose another of the two"
        )
    return part


def _around(cut: Cut, part: tuple[slice, slice], context: int, stride: int) -> Region:
    """Give the box to be predicted; it begins where a network that pools would begin, too."""
    edges = [slice(cut.index, cut.index + 1)] * 3
    for axis, edge in zip(cut.plane.slice_axes, part, strict=True):
        edges[axis] = edge
    z, y, x = (
        slice(max(0, e.start - context) // stride * stride, min(n, e.stop + context))
        for e, n in zip(edges, cut.shape, strict=True)
    )
    return z, y, x


def _moved(part: slice, outer: slice) -> slice:
    return slice(part.start - outer.start, part.stop - outer.start)


def _read(
    prediction: Prediction, choice: int, index: list[int], cut: Cut, part: tuple[slice, slice]
) -> NDArray[Any]:
    """Read the probabilities of some classes in a part of a cut, a few slices at a time."""
    rows, columns = part
    if cut.plane.stacking == 0:
        values = prediction.read_probabilities(cut.index, cut.index + 1, choice)
        return values[index, 0, rows, columns]
    lines = []
    for start in range(rows.start, rows.stop, 16):
        values = prediction.read_probabilities(start, min(start + 16, rows.stop), choice)[index]
        lines.append(values.take(cut.index, axis=1 + cut.plane.stacking))
    return np.concatenate(lines, axis=1)[..., columns]
