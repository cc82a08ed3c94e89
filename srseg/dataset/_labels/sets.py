"""Label sets: checked against grid and table, kept with every older revision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.dataset._create import describe_derivative
from srseg.dataset._labels.grid import (
    check_grid,
    default_grid,
    follow_alignment,
    grid_of_whole,
    shares,
)
from srseg.dataset._labels.part import Frame, place_part
from srseg.dataset._labels.placement import Placement
from srseg.dataset._labels.plan import LabelsPlan, copy_labels
from srseg.dataset._labels.revisions import keep_revision, number_revisions
from srseg.dataset._labels.spread import SpreadSource
from srseg.dataset._labels.value_map import MappedSource, fix_map
from srseg.dataset._layout import LABELS, require_label
from srseg.dataset._scans.aligned import alignment_entry
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.errors import DatasetError
from srseg.io import Reading, create_hdf5, describe, open_volume
from srseg.storage import file_stamp, make_folder, require_free_space, write_json
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey
    from srseg.dataset._sidecar import ScanFile
    from srseg.io import ScanInfo
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, VoxelSource


def plan_labels(
    layout: Layout,
    key: SampleKey,
    scan: ScanFile,
    table: LabelTable,
    file: Path | str,
    *,
    label_set: str,
    voxel_size: float | None = None,
    reading: Reading | None = None,
    placement: Placement | None = None,
) -> LabelsPlan:
    """Look at a label file and check its type, its table and its grid; values are checked later."""
    require_label(label_set, what="the label set")
    placement = placement or Placement()
    reading = placement.reading(reading or Reading())
    info = describe(file, reading)
    fixed = fix_map(placement.values, info.table, table, file)
    scan_grid = scan.placed_grid
    stack = _open(file, info, reading, scan, voxel_size, placement, key.name)
    mapped = None if fixed is None else MappedSource(stack.source, fixed)
    source: VoxelSource = stack.source if mapped is None else mapped
    grid = stack.grid
    if stack.numbers is not None:
        source = SpreadSource(source, grid.shape, placement.axis, stack.numbers)
    if placement.transform is not None:
        grid = grid.moved(placement.transform)
    elif scan.alignment is not None and placement.box is None:
        grid = follow_alignment(grid, scan_grid, scan.alignment, file, key.name)
    check_grid(grid, scan_grid, file, key.name, moved=placement.transform is not None)
    inside, covered = shares(grid, scan_grid)
    if placement.slices is not None:
        covered *= len(placement.slices) / grid.shape[placement.axis]
    said = replace(reading, single_slices=False).to_dict()
    return LabelsPlan(
        info.path.resolve(),
        key.name,
        label_set,
        Volume(source, grid, table=table),
        number_revisions(layout, key, label_set).following,
        inside,
        covered,
        {
            **({"Reading": said} if said else {}),
            **placement.to_dict(),
            **({"ValueMap": fixed.to_dict()} if fixed else {}),
            **alignment_entry(scan.alignment),
        },
        mapped,
    )


class _Opened(NamedTuple):
    source: VoxelSource
    grid: Grid
    numbers: tuple[int, ...] | None = None


def _open(
    file: Path | str,
    info: ScanInfo,
    reading: Reading,
    scan: ScanFile,
    voxel_size: float | None,
    placement: Placement,
    sample: str,
) -> _Opened:
    """Open the file and find the grid of the labels: for slices, that of the whole volume."""
    size = voxel_size
    if reading.voxel_size is not None:
        # the file's own does not hold; with it goes a place of which nothing was said
        size = reading.voxel_size if size is None else size
        silent = info.voxel_size is None or not any(info.origin)
        info = replace(info, voxel_size=None if silent else (reading.voxel_size,) * 3)
    if placement.slices is not None or placement.box is not None:
        grid, numbers = place_part(placement, Frame.of(scan, size), info, sample)
        states = info.voxel_size is not None or reading.voxel_size is not None
        given = None if states else grid.voxel_size[0]
        source = open_volume(file, reading, voxel_size=given, labels=True).source
        return _Opened(source, grid, numbers)
    scan_grid = scan.placed_grid
    default = None
    if info.voxel_size is None and placement.transform is None:
        default = default_grid(scan_grid, info.shape, size, file, sample)
    elif info.voxel_size is None and size is None and info.shape == scan_grid.shape:
        # at another size, the file's first voxel is the 0 that the transform was made with
        default = scan_grid
    volume = open_volume(
        file,
        reading,
        voxel_size=voxel_size if default is None else None,
        default_grid=default,
        labels=True,
    )
    if default is None and placement.transform is None:
        default = grid_of_whole(volume.grid, scan_grid, info, sample)
    return _Opened(volume.source, volume.grid if default is None else default)


def write_labels(
    layout: Layout,
    key: SampleKey,
    plan: LabelsPlan,
    *,
    manual: bool | None,
    sources: Sequence[str],
    note: str,
) -> Path:
    """Carry out a plan: the new revision takes the place of the old one, which is kept."""
    with layout.lock(f"labels-{key.name}-{plan.label_set}"):
        numbers = number_revisions(layout, key, plan.label_set)
        revision = numbers.following
        if plan.onto and revision != plan.revision:
            raise DatasetError(
                f"label set {plan.label_set} of sample {key.name} got a new revision, "
                f"{revision - 1}, while this was under way, and it stands; do the same again"
            )
        sidecar = layout.labels_sidecar(key, plan.label_set)
        path = sidecar.with_suffix(".h5")
        describe_derivative(layout, LABELS, "Label sets kept by srseg")
        make_folder(sidecar.parent)
        grid, table = plan.volume.grid, plan.volume.table
        assert table is not None  # noqa: S101 - plan_labels set it
        require_free_space(path.parent, plan.n_filled // 4, f"the label set of {plan.source}")
        description: dict[str, Any] = {
            **({} if manual is None else {"Manual": manual}),
            **({"Description": note} if note else {}),
            "SpatialReference": "orig",
            "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json", *sources],
            "Revision": revision,
            **({"PreviousRevision": revision - 1} if revision > 1 else {}),
            **pixel_size(grid),
            "Grid": grid.to_dict(),
            "LabelTable": table.to_dicts(),
            "SourceFile": str(plan.source),
            **plan.facts,
            "Written": written_now(),
        }
        with create_hdf5(
            path, grid, np.uint8, table=table, compression="gzip",
            title=f"{key.stem}, label set {plan.label_set}, revision {revision}",
            provenance=description, overwrite=True,
        ) as sink:  # fmt: skip
            counts = copy_labels(plan, sink)
            # the old revision is safe under its own name before the new one takes its place
            if numbers.current is not None:
                keep_revision(layout, key, plan.label_set, numbers.current)
        description["Voxels"] = {str(v): int(n) for v, n in enumerate(counts) if n}
        description["Stamp"] = file_stamp(path).to_dict()
        write_json(sidecar, description, overwrite=True, seal=True, doubtful=plan.doubtful)
    return path
