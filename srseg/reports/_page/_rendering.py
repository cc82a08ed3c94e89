"""The implant in space, as a still picture: rays that end at its surface."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import ndimage

from srseg.reports._figures.panels import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from srseg.labels import LabelClass, LabelTable
    from srseg.volumes import Volume

_EDGE = 256  # blocks along the longest edge of the volume
_RAYS = 360  # along the diagonal of the implant, at most
_PER_BLOCK = 4
_TURN, _TILT = math.radians(35), math.radians(20)
_LIGHT = np.array([0.75, 0.5, 0.45])  # it goes into the scene, down and to the right
_SKY = 1.0
_WIDTH, _TALLEST = 5.6, 3.2  # inches
_FAINT, _SURFACE = 0.25, 0.5  # shares of implant


@dataclass(frozen=True)
class ImplantBlocks:
    """How much of each block of voxels is implant.

    Parameters
    ----------
    shares : dict of int to ndarray of shape (Z, Y, X)
        Share of each block, 0 to 1, by the value of the class; a margin of one block is empty.
    size : tuple of float
        Edge lengths of a block along z, y, x [µm].
    """

    shares: dict[int, NDArray[np.float32]]
    size: tuple[float, float, float]


def implant_blocks(labels: Volume, values: Sequence[int]) -> ImplantBlocks | None:
    """Average the classes of the implant over blocks, slab by slab.

    Parameters
    ----------
    labels : Volume
        The labels.
    values : sequence of int
        The values that are implant.

    Returns
    -------
    ImplantBlocks or None
        Cropped to the implant; None where there is none.
    """
    wanted = max(labels.grid.extent) / _EDGE
    sizes = labels.grid.voxel_size
    steps = [min(n, max(1, round(wanted / v))) for n, v in zip(labels.shape, sizes, strict=True)]
    rows: dict[int, list[NDArray[np.float32]]] = {value: [] for value in values}
    thickness = steps[0] * max(1, 64 // steps[0])
    for _, slab in labels.slabs(thickness):
        for value in values:
            rows[value].append(_means(slab == value, steps))
    shares = {value: np.concatenate(parts) for value, parts in rows.items()}
    somewhere = np.any(list(shares.values()), axis=0)
    found = ndimage.find_objects(somewhere.astype(np.uint8))
    if not found:
        return None
    box = found[0]
    kept = {value: np.pad(share[box], 1) for value, share in shares.items()}
    z, y, x = (step * size for step, size in zip(steps, sizes, strict=True))
    return ImplantBlocks(kept, (z, y, x))


def _means(mask: NDArray[np.bool_], steps: Sequence[int]) -> NDArray[np.float32]:
    """Give the share of each block; blocks that reach out of the volume are empty there."""
    padded = np.pad(mask, [(0, -n % step) for n, step in zip(mask.shape, steps, strict=True)])
    z, y, x = (n // step for n, step in zip(padded.shape, steps, strict=True))
    blocks = padded.reshape(z, steps[0], y, steps[1], x, steps[2])
    means: NDArray[np.float32] = blocks.mean((1, 3, 5), dtype=np.float32)
    return means


def implant_figure(blocks: ImplantBlocks, table: LabelTable) -> Figure:
    """Show an implant from outside and cut open through its middle, and its metal alone.

    Parameters
    ----------
    blocks : ImplantBlocks
        The implant.
    table : LabelTable
        For names and colours.

    Returns
    -------
    matplotlib.figure.Figure
        Two or three views with one scale bar.
    """
    classes = [c for c in table if c.value in blocks.shares]
    turned, pixel = _turned(blocks)
    middle = next(iter(turned.values())).shape[0] // 2
    views = {"outside": _look(turned, classes, 0), "cut open": _look(turned, classes, middle)}
    for c in classes[-1:] if len(classes) > 1 else []:
        views[f"{c.name} alone"] = _look({c.value: turned[c.value]}, [c], 0)
    views = _cropped(views)
    height, width = next(iter(views.values())).shape[:2]
    side = _WIDTH / len(views)
    figure = Figure(figsize=(side * len(views), min(side * height / width, _TALLEST) + 0.5))
    axes = figure.subplots(1, len(views), squeeze=False)[0]
    figure.subplots_adjust(0.005, 0.13, 0.995, 0.92, wspace=0.02)
    for axis, (name, view) in zip(axes, views.items(), strict=True):
        axis.imshow(view, interpolation="antialiased")
        axis.set_title(name, fontsize=TEXT + 1)
        axis.set_axis_off()
    _scale_bar(axes[0], (height, width), pixel)
    figure.legend(handles=[Patch(color=c.color, label=c.name) for c in classes],
                  loc="lower center", ncols=len(classes), fontsize=TEXT, frameon=False,
                  borderaxespad=0.1)  # fmt: skip
    return figure


def _scale_bar(axis: Axes, shape: tuple[int, int], pixel: float) -> None:
    """Draw a bar of a round length below the first view; distances into the scene look the same."""
    wanted = shape[1] * pixel / 3
    power = 10 ** math.floor(math.log10(wanted))
    length = max(n * power for n in (1, 2, 5) if n * power <= wanted)
    text = f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"
    axis.autoscale(False)
    bottom = 1.03 * shape[0]
    axis.plot([0, length / pixel], [bottom] * 2, color="black", lw=2, solid_capstyle="butt",
              clip_on=False)  # fmt: skip
    axis.text(length / pixel + 0.03 * shape[1], bottom, text, fontsize=TEXT, va="center")


def _turned(blocks: ImplantBlocks) -> tuple[dict[int, NDArray[np.float32]], float]:
    """Turn the shares so that rays run along the first axis, rows down and columns right."""
    shape = np.array(next(iter(blocks.shares.values())).shape)
    size = np.array(blocks.size)
    into = np.array([0.0, math.cos(_TURN), math.sin(_TURN)])
    right = np.array([0.0, -math.sin(_TURN), math.cos(_TURN)])
    down = np.array([1.0, 0.0, 0.0])
    into, down = (
        math.cos(_TILT) * into + math.sin(_TILT) * down,
        math.cos(_TILT) * down - math.sin(_TILT) * into,
    )
    axes = np.stack([into, down, right])
    extent = shape * size
    blocks_across = float(np.linalg.norm(shape))
    pixel = float(np.linalg.norm(extent)) / min(_RAYS, _PER_BLOCK * blocks_across)
    out = np.ceil(np.abs(axes) @ extent / pixel).astype(int) + 2
    matrix = (axes * pixel).T / size[:, None]
    offset = (shape - 1) / 2 - matrix @ ((out - 1) / 2)
    turned = {}
    for value, share in blocks.shares.items():
        smooth = ndimage.gaussian_filter(share, 0.7)
        turned[value] = ndimage.affine_transform(
            smooth, matrix, offset, output_shape=tuple(out), order=1
        )
    return turned, pixel


def _look(
    turned: dict[int, NDArray[np.float32]], classes: Sequence[LabelClass], first: int
) -> NDArray[np.float64]:
    """Follow the rays from a depth on to where the implant begins, and paint what they meet.

    Returns
    -------
    ndarray of shape (rows, columns, 3)
        The picture; where nothing is met it is white.
    """
    implant = np.sum([turned[c.value] for c in classes], axis=0)[first:]
    most = implant.max(0)
    met = most > _FAINT
    rows, columns = np.nonzero(met)
    depth = (implant > np.minimum(_SURFACE, 0.99 * most)).argmax(0)[met]
    last = np.array(implant.shape) - 1
    normal = np.stack(
        [
            implant[tuple(np.minimum(at + step, last[:, None]))]
            - implant[tuple(np.maximum(at - step, 0))]
            for at in (np.stack([depth, rows, columns]),)
            for step in np.eye(3, dtype=int)[:, :, None]
        ],
        axis=1,
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
    # the share grows inwards, the way that the light goes
    light = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    face = (first > 0) & (depth == 0)
    light[face] = 0.75
    # beneath the surface by a step, where a class has become clear
    below = np.minimum(depth + (~face), last[0]) + first
    shares = np.stack([turned[c.value][below, rows, columns] for c in classes])
    colors = np.array([c.rgb for c in classes])[shares.argmax(0)] / 255
    painted = np.clip(colors * (0.35 + 0.75 * light)[:, None], 0, 1)
    # rays that graze the implant are paler, so that its outline is smooth
    cover = np.clip((most[met] - _FAINT) / (_SURFACE - _FAINT), 0, 1)[:, None]
    picture = np.full((*met.shape, 3), _SKY)
    picture[rows, columns] = cover * painted + (1 - cover) * _SKY
    return picture


def _cropped(views: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    painted = np.any([(view < _SKY).any(-1) for view in views.values()], axis=0)
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    if not rows.size:
        return views
    cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return {name: view[cut] for name, view in views.items()}
