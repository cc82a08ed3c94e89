"""Change which part of its scan a sample is, and where the scan saw anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._sidecar import read_sample_sidecar, read_scan_file, written_now
from srseg.errors import GridError
from srseg.preprocessing import find_field
from srseg.storage import write_json

if TYPE_CHECKING:
    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._view import SampleView
    from srseg.volumes import FieldOfView, Grid, Region

_LEAST_SEEN = 0.01


def set_region(
    dataset: SampleView,
    sample: str,
    *,
    roi: Region | Literal["keep"] | None = "keep",
    field: FieldOfView | Literal["auto", "keep"] | None = "keep",
) -> DatasetSample:
    """Change the region of a sample: percentiles, training and prediction see nothing else.

    The scan and all labels stay as they are. Working copies that were made of another region no
    longer fit, and are made anew when they are asked for.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    sample : str
        Its name.
    roi : tuple of three slices, "keep" or None, default="keep"
        The part of the scan file that is the sample, in voxels of the file (z, y, x); None for the
        whole file.
    field : FieldOfView, "auto", "keep" or None, default="keep"
        Where the reconstruction saw anything, in the space of the scan file; "auto" looks for the
        circle outside of which slices are 0 or NaN, None takes every voxel as seen.

    Returns
    -------
    DatasetSample
        The sample.

    Raises
    ------
    UnknownNameError
        If there is no such sample.
    GridError
        If the box is empty, or reaches out of the scan; or the circle holds less than one percent
        of its slices.
    MissingFileError
        If the circle is to be looked for and the scan's file is gone.

    Examples
    --------
    >>> import numpy as np
    >>> import tifffile
    >>> from srseg.dataset import Dataset
    >>> folder = getfixture("tmp_path")
    >>> tifffile.imwrite(folder / "A.tif", np.ones((4, 6, 8), np.uint8), photometric="minisblack")
    >>> dataset = Dataset.create(folder / "mgbone")
    >>> _ = dataset.add_sample(folder / "A.tif", voxel_size=5.0)
    >>> set_region(dataset, "A", roi=(slice(0, 4), slice(1, 5), slice(0, 8))).scan.shape
    (4, 4, 8)
    """
    there = dataset[sample]
    layout, key = Layout(dataset.path), SampleKey(there.subject, there.name)
    path = layout.scan_sidecar(key)
    with layout.lock(layout.sample_lock(key.name)):
        sidecar = read_sample_sidecar(path)
        file = read_scan_file(sidecar, path)
        changes: dict[str, Any] = {}
        if roi != "keep":
            if roi is not None:
                file.grid.cropped(roi)  # refuses a box that is not inside
            changes["Roi"] = None if roi is None else [[part.start, part.stop] for part in roi]
        if field == "auto":
            field = find_field(replace(file, roi=None, field=None, alignment=None).open())
        if field != "keep":
            if field is not None:
                _require_seen(field, file.grid, sample)
            changes["FieldOfView"] = None if field is None else field.to_dict()
        changes = {name: value for name, value in changes.items() if value != sidecar.get(name)}
        if changes:
            edited = {**sidecar, **changes, "RegionChanged": written_now()}
            gone = [name for name, value in changes.items() if value is None]
            write_json(
                path, {k: v for k, v in edited.items() if k not in gone}, seal=True, edits=True
            )
    return there


def _require_seen(field: FieldOfView, grid: Grid, sample: str) -> None:
    """Refuse a circle that lies beside the scan, or of a radius in another unit."""
    middle = grid.shape[0] // 2
    region = (slice(middle, middle + 1), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    share = float(field.inside(grid, region).mean())
    if share < _LEAST_SEEN:
        raise GridError(
            f"the circle holds {share:.1%} of a slice of sample {sample}, {grid.shape[1]} x "
            f"{grid.shape[2]} voxels (y, x) of {grid.voxel_size[1]:g} µm; at least "
            f"{_LEAST_SEEN:.0%} must lie in it. Correct its centre and radius"
        )
