"""A sample as compressed text, in voxels as fine as the budget allows."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import GridError, LabelError, ParameterError
from srseg.labels import UNLABELLED
from srseg.quantification import Roles
from srseg.reports._viewer._grid import on_grid, part, shown_grid
from srseg.reports._viewer._shrink import shrink_labels, shrink_values, shrunk_shape
from srseg.reports._viewer._surface import surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.reports._viewer._sample import ViewerSample
    from srseg.volumes import Grid

_MAX_VOXELS = 24_000_000  # what the graphics memory of a laptop holds several times over
_MAX_EDGE = 1024
_KEPT = (0.1, 99.95)  # percentiles between which grey values are told apart
_SHOWN = (0.5, 99.9)  # percentiles of the window at first
_SURFACES = 0.12  # share of the budget
_TRIED = 8  # slices in the middle, whose size tells that of the whole
_SPARE = 1.05  # by how much it may be wrong
_TRIANGLE = 13  # letters for one, after compression
_MAX_TRIANGLES = 60_000


@dataclass
class Packed:
    """One entry of the list of samples.

    Parameters
    ----------
    index : dict
        What the page's script must know, plain data for JSON.
    data : dict of str to str
        Compressed voxels and surfaces by their key, in base64.
    """

    index: dict[str, Any]
    data: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of letters of it all."""
        return sum(len(text) + 80 for text in self.data.values()) + len(json.dumps(self.index))


def pack(sample: ViewerSample, budget: int) -> Packed:
    """Read a sample and pack it.

    Parameters
    ----------
    sample : ViewerSample
        The sample; its boxes are not looked at.
    budget : int
        The most bytes of text.

    Returns
    -------
    Packed
        What goes into the page.

    Raises
    ------
    ParameterError
        If not even a coarse picture fits into the budget.
    """
    grid = shown_grid(sample)
    limit = budget * _SURFACES / _TRIANGLE / 3 / max(1, len(sample.labels))
    factor = max(
        math.ceil((grid.n_voxels / _MAX_VOXELS) ** (1 / 3)), -(-max(grid.shape) // _MAX_EDGE)
    )
    while True:
        if _expected(sample, factor) <= budget * (1 - _SURFACES * bool(sample.labels)):
            packed = _packed(sample, factor, min(_MAX_TRIANGLES, int(limit)))
            if packed.size <= budget:
                return packed
        if factor >= max(grid.shape):
            raise ParameterError(
                f"{sample.name} does not fit into {budget} bytes of the page, not even in one "
                "voxel; allow a larger page, or show fewer samples"
            )
        factor += 1


def _expected(sample: ViewerSample, factor: int) -> float:
    """Tell how large a sample becomes, from some slices in its middle."""
    depth, height, width = shown_grid(sample).shape
    slices = min(depth, _TRIED * factor)
    first = (depth - slices) // 2
    box = (slice(first, first + slices), slice(0, height), slice(0, width))
    try:
        tried = _packed(part(sample, sample.name, box), factor, 0)
    except (GridError, ParameterError):
        return 0  # the scan does not reach there
    letters = sum(len(text) for text in tried.data.values())
    times = shrunk_shape((depth, 1, 1), factor)[0] / shrunk_shape((slices, 1, 1), factor)[0]
    return tried.size - letters + _SPARE * letters * times


def _packed(sample: ViewerSample, factor: int, max_triangles: int) -> Packed:
    grid = shown_grid(sample)
    origin = grid.to_physical(np.zeros(3))
    steps = [(grid.to_physical(np.eye(3)[axis]) - origin).tolist() for axis in range(3)]
    packed = Packed(
        {
            "name": sample.name,
            "factor": factor,
            "shape": shrunk_shape(grid.shape, factor),
            "full": grid.shape,
            "voxel": grid.voxel_size,
            "origin": origin.tolist(),
            "steps": steps,
        }
    )
    packed.index["scan"] = _scan(sample, grid, factor, packed)
    packed.index["labels"] = [
        _labels(sample, name, grid, factor, packed, max_triangles) for name in sample.labels
    ]
    packed.index["maps"] = [_map(sample, name, grid, factor, packed) for name in sample.maps]
    return packed


def _scan(sample: ViewerSample, grid: Grid, factor: int, packed: Packed) -> dict[str, Any]:
    means = shrink_values(on_grid(sample.scan, grid), factor, f"{sample.name}: scan")
    seen = np.isfinite(means)
    finite = means.copy() if seen.all() else means[seen]
    if not finite.size:
        raise ParameterError(
            f"{sample.name}: the scan has no finite voxel on the grid of the labels; check that "
            "scan and labels belong together"
        )
    low, below, above, high = np.percentile(
        finite, (_KEPT[0], _SHOWN[0], _SHOWN[1], _KEPT[1]), overwrite_input=True
    ).tolist()
    del finite
    step = (high - low) / 255 or 1.0
    means -= low
    means /= step
    # whether the first and the last grey value also stand for what lies beyond
    beyond = [bool(np.nanmin(means) < -0.5), bool(np.nanmax(means) > 255.5)]
    np.nan_to_num(means, copy=False)
    key = _keep(packed, np.round(means).clip(0, 255).astype(np.uint8))
    window = [max(0, math.floor((below - low) / step)), min(255, math.ceil((above - low) / step))]
    if window[0] >= window[1]:
        window = [0, 255]
    return {
        "key": key, "low": low, "step": step, "window": window, "beyond": beyond,
        "gaps": not seen.all(),
    }  # fmt: skip


def _labels(
    sample: ViewerSample, name: str, grid: Grid, factor: int, packed: Packed, max_triangles: int
) -> dict[str, Any]:
    volume = sample.labels[name]
    table = volume.table
    assert table is not None  # noqa: S101 - the sample was checked
    index = shrink_labels(on_grid(volume, grid), table, factor, f"{sample.name}: label set {name}")
    # unlabelled comes after the classes, so that a colour map has no gap
    index[index == UNLABELLED] = len(table)
    implant = _implant(table)
    surfaces = {}
    for position, entry in enumerate(table.classes[1:], 1):
        corners, triangles = surface(index == position, max_triangles)
        if len(triangles):
            surfaces[position] = {
                "corners": _keep(packed, _fine(corners, index.shape)),
                "triangles": _keep(packed, triangles),
                "shown": entry.value in implant,
            }
    return {
        "name": name,
        "key": _keep(packed, index),
        "classes": [{"name": c.name, "color": c.color} for c in table],
        "surfaces": surfaces,
    }


def _implant(table: LabelTable) -> tuple[int, ...]:
    """Give the values of the implant; of all foreground where the table has no such classes."""
    for roles in (Roles(), Roles(bone=None), Roles(bone=None, layer=None)):
        try:
            return roles.resolve(table).implant
        except LabelError:
            continue
    return tuple(c.value for c in table.foreground)


def _fine(corners: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Count positions in 65535ths of the volume."""
    scaled: NDArray[np.uint16] = np.round(corners / np.array(shape) * 65535).astype(np.uint16)
    return scaled


def _map(
    sample: ViewerSample, name: str, grid: Grid, factor: int, packed: Packed
) -> dict[str, Any]:
    means = shrink_values(on_grid(sample.maps[name], grid), factor, f"{sample.name}: {name}")
    scaled = np.nan_to_num(np.clip(means, 0, 1)) * 255
    return {"name": name, "key": _keep(packed, np.round(scaled).astype(np.uint8))}


def _keep(packed: Packed, array: NDArray[Any]) -> str:
    """Compress an array into the data of a sample, and give its key."""
    key = f"d{len(packed.data)}"
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    # the gzip format, which browsers decompress themselves; 31 asks zlib for its header
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [packer.compress(little.data), packer.flush()]
    packed.data[key] = base64.b64encode(b"".join(pieces)).decode("ascii")
    return key
