"""Grey values by class: whether a threshold would do, and where it would not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Volume

_MOST = 2**24  # voxels that are looked at
_BINS = 128
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)))
_BACKGROUND = "#555555"


def grey_by_class(
    scan: Volume, labels: Volume, table: LabelTable
) -> tuple[NDArray[np.float64], dict[int, NDArray[np.int64]], int]:
    """Count grey values of each class, in slices that are spread evenly over the volume.

    Parameters
    ----------
    scan, labels : Volume
        On one grid.
    table : LabelTable
        The classes.

    Returns
    -------
    edges : ndarray
        Edges of the bins, from the 0.1 to the 99.9 percentile; what lies beyond is in the outer
        bins.
    counts : dict of int to ndarray
        Voxels in each bin, by the value of the class.
    step : int
        Every how many slices were looked at.
    """
    depth, rows, columns = labels.shape
    step = math.ceil(labels.grid.n_voxels / _MOST)
    step = min(step, depth)
    found: list[tuple[NDArray[np.float32], NDArray[np.uint8]]] = []
    for z in range(step // 2, depth, step):
        region = (slice(z, z + 1), slice(0, rows), slice(0, columns))
        grey = scan.read(region).astype(np.float32, copy=False)
        classes = labels.read(region)
        kept = np.isfinite(grey) & np.isin(classes, table.values)
        found.append((grey[kept], classes[kept]))
    grey = np.concatenate([one for one, _ in found])
    classes = np.concatenate([one for _, one in found])
    low, high = np.percentile(grey, (0.1, 99.9)) if grey.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    shown = grey.clip(edges[0], edges[-1])
    counts = {
        c.value: np.histogram(shown[classes == c.value], edges)[0].astype(np.int64) for c in table
    }
    return edges, counts, step


def grey_figure(
    edges: NDArray[np.float64],
    counts: dict[int, NDArray[np.int64]],
    table: LabelTable,
    *,
    normalised: bool,
) -> Figure:
    """Draw the histogram of all voxels, and that of each class.

    Parameters
    ----------
    edges : ndarray
        Edges of the bins.
    counts : dict of int to ndarray
        Voxels in each bin, by the value of the class.
    table : LabelTable
        The classes.
    normalised : bool
        Whether the grey values were clipped and scaled.

    Returns
    -------
    matplotlib.figure.Figure
        A logarithmic histogram.
    """
    figure = Figure(figsize=(5.6, 3.5), layout="constrained")
    axis = figure.subplots()
    total = np.sum(list(counts.values()), axis=0)
    share = 100 / max(1, int(total.sum()))
    axis.stairs(share * total, edges, fill=True, color="#dddddd")
    handles: list[Line2D | Patch] = [Patch(color="#dddddd", label="all voxels")]
    for number, c in enumerate(table):
        color = _BACKGROUND if c == table.classes[0] else c.color
        dashes = _DASHES[number % len(_DASHES)]
        if counts[c.value].any():
            axis.stairs(share * counts[c.value], edges, color=color, linewidth=1.5,
                        linestyle=dashes)  # fmt: skip
            handles.append(Line2D([], [], color=color, linestyle=dashes, label=c.name))
    axis.set_yscale("log")
    top = share * max(1, int(total.max()))
    axis.set_ylim(max(share, 1e-4 * top), 2 * top)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_xlabel("grey value, clipped and scaled" if normalised else "grey value")
    axis.set_ylabel(f"share of the voxels [% in 1/{_BINS}]")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure
