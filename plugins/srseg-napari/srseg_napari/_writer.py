"""Labels from napari into a file that srseg takes back."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset import find_dataset
from srseg.errors import DatasetError, GridError, LabelError, MissingFileError
from srseg.io import write_volume
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.volumes import Grid, Volume
from srseg_napari._layers import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

_TO_UM = {"micrometer": 1.0, "millimeter": 1e3, "nanometer": 1e-3, "meter": 1e6}


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a label layer with its grid and its label table; napari calls it.

    Parameters
    ----------
    path : str
        The file; its ending says the format, as for `srseg.io.write_volume`.
    data : array
        The labels of the layer.
    attributes : mapping
        Settings of the layer. What was opened with srseg has its grid and its table among them;
        of others the scale is the voxel size, and the classes are the default ones.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    DatasetError
        If the file would lie in a dataset, whose files change only through srseg.
    GridError
        If the layer was shown on another grid than its own, or has no voxel size.
    LabelError
        If a value is not in the label table.
    """
    _require_outside(Path(path))
    known = attributes.get("metadata", {}).get(KEY)
    name = attributes.get("name", "labels")
    if known is None:
        grid, table = _grid_of(data, attributes, name), DEFAULT_LABELS
    else:
        if not known["own_grid"]:
            raise GridError(
                f"{name} lies at an angle to what is shown, so that it was shown on another grid; "
                f"open it alone to change it: srseg view SAMPLE --labels {name}"
            )
        grid, table = Grid.from_dict(known["grid"]), LabelTable.from_dicts(known["table"])
    if tuple(data.shape) != grid.shape:
        raise GridError(f"{name} has shape {tuple(data.shape)}, it was opened with {grid.shape}")
    volume = Volume(_Labels(data, name), grid, table=table)
    made = {"program": _program(), "of": {} if known is None else known["of"]}
    write_volume(path, volume, provenance=made, overwrite=True)  # napari has asked
    return [path]


class _Labels:
    """The voxels of a layer as bytes; napari's own layers have wider numbers.

    Parameters
    ----------
    data : array
        Labels of any integer type.
    name : str
        Name of the layer, for messages.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, data: Any, name: str) -> None:
        self.shape = tuple(data.shape)
        self._data = data
        self._name = name

    def __getitem__(self, region: tuple[slice, slice, slice]) -> np.ndarray[Any, np.dtype[Any]]:
        block = np.asarray(self._data[region])
        if block.size and not (block.min() >= 0 and block.max() <= 255):
            raise LabelError(
                f"{self._name} has the value {int(block.max())}; labels are 0 to 254, and 255 "
                "where nothing is labelled. Paint with the values of the classes"
            )
        return block.astype(np.uint8)


def _grid_of(data: Any, attributes: Mapping[str, Any], name: str) -> Grid:
    """Make a grid of what napari knows of a layer."""
    if data.ndim != 3:
        raise GridError(f"{name} has {data.ndim} axes; labels of srseg have three (z, y, x)")
    units = [str(unit) for unit in attributes.get("units") or ()]
    if set(units) - set(_TO_UM) or len(units) != 3:
        raise GridError(
            f"{name} was not opened with srseg and does not say its voxel size in µm (units "
            f"{', '.join(units) or 'none'}); begin with a label set that was, or a copy of it"
        )
    to_um = np.array([_TO_UM[unit] for unit in units])
    size = np.asarray(attributes["scale"], float) * to_um
    first = np.asarray(attributes["translate"], float) * to_um
    return Grid(tuple(data.shape), tuple(size.tolist()), tuple(first.tolist()))


def _require_outside(path: Path) -> None:
    try:
        root = find_dataset(path.parent)
    except MissingFileError:
        return
    raise DatasetError(
        f"{path} lies in the dataset {root}, whose files change only through srseg; save it "
        "elsewhere and take it in with: srseg dataset label FILE --sample S --set SET"
    )


def _program() -> str:
    try:
        return f"napari {version('napari')}"
    except PackageNotFoundError:
        return "napari"
