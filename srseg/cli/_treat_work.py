"""Treating the labels of a sample, or of a file."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import note
from srseg.cli._treat_steps import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.cli._treat_steps import Step
    from srseg.dataset import Dataset, DatasetSample
    from srseg.io import Reading
    from srseg.quantification import Treatment
    from srseg.volumes import Grid, Volume


@dataclass(frozen=True)
class TreatJob:
    """What is done with each label volume."""

    steps: "list[Step]"
    clip: tuple[float, float]
    scratch: Path | None
    dry_run: bool
    overwrite: bool
    kept: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        if self.scratch is not None and not self.scratch.is_dir():
            from srseg.errors import MissingFileError

            raise MissingFileError(
                f"the folder {self.scratch} does not exist; make it, or name another --scratch"
            )
        said: dict[str, Any] = {"Recipe": recipe(self.steps)}
        if self.needs_scan:
            said["ClipPercentiles"] = list(self.clip)
        object.__setattr__(self, "kept", said)

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for."""
        return any(step.needs_scan for step in self.steps)

    def treat_sample(
        self, dataset: "Dataset", sample: "DatasetSample", source: str, out_set: str
    ) -> dict[str, Any]:
        """Treat a label set or a prediction of a sample, unless that was done already."""
        from srseg.dataset import derive_labels

        row: dict[str, Any] = {"sample": sample.name, "labels": source, "out_set": out_set}
        kept = self._there(sample, source, out_set)
        if kept is not None:
            return {**row, "status": "was there", "revision": kept["Revision"],
                    "treatment": kept["DerivedFrom"]["Treatment"]}  # fmt: skip
        labels = sample.labels(source)
        with self._scan_of(sample, labels.grid) as scan:
            treated, treatment = self._treated(labels, scan)
        row |= {"treatment": treatment.to_dict()}
        if self.dry_run:
            return {**row, "status": "would be made"}
        derive_labels(
            dataset, sample.name, out_set, treated, source=source,
            how={**self.kept, "Software": _software(), "Treatment": treatment.to_dict()},
            note=f"{source}, after-treatment: {', '.join(s.title for s in treatment.steps)}",
        )  # fmt: skip
        return {**row, "status": "made", "revision": sample.labels_info(out_set)["Revision"]}

    def treat_file(
        self,
        file: Path,
        voxel_size: float | None,
        reading: "Reading",
        scan_file: Path | None,
        out: Path | None,
    ) -> dict[str, Any]:
        """Treat a label file."""
        from srseg.io import open_volume, write_volume
        from srseg.storage import file_stamp

        labels = open_volume(file, reading, voxel_size=voxel_size, labels=True)
        labels.table = labels.table or _table_of(labels, file)
        with self._scan_in(scan_file, labels) as scan:
            treated, treatment = self._treated(labels, scan)
        told = treatment.to_dict()
        row: dict[str, Any] = {"file": str(file), "treatment": told}
        if out is not None and not self.dry_run:
            made = {**self.kept, "Software": _software(), "Treatment": told, "Source": file.name,
                    "Stamp": file_stamp(file).to_dict()}  # fmt: skip
            write_volume(out, treated, provenance=made, overwrite=self.overwrite)
        status = "would be made" if self.dry_run else "made"
        return {**row, "out": None if out is None else str(out), "status": status}

    def _treated(self, labels: "Volume", scan: "Volume | None") -> "tuple[Volume, Treatment]":
        from srseg.quantification import treat

        return treat(labels, self.steps, scan=scan, scratch=self.scratch)

    def _there(self, sample: "DatasetSample", source: str, out_set: str) -> dict[str, Any] | None:
        """Give the sidecar of the newest revision, where it is what would be made now."""
        from srseg.dataset import derived_from

        if self.overwrite or out_set not in sample.label_sets:
            return None
        said = sample.labels_info(out_set)
        found = derived_from(said) or {}
        wanted = {"Set": source, "Stamp": sample.labels_info(source)["Stamp"], **self.kept}
        return said if {key: found.get(key) for key in wanted} == wanted else None

    @contextmanager
    def _scan_of(self, sample: "DatasetSample", grid: "Grid") -> "Iterator[Volume | None]":
        """Give the scan of a sample on a grid, normalised, where it is asked for."""
        if not self.needs_scan:
            yield None
            return
        kept = sample.prepared(_edge(grid), self.clip)
        if kept is not None:
            yield _on_grid(kept, grid)
            return
        with self._normalised(sample.scan, grid) as scan:
            yield scan

    @contextmanager
    def _scan_in(self, file: Path | None, labels: "Volume") -> "Iterator[Volume | None]":
        """Give the scan in a file on the grid of labels, normalised, where it is asked for."""
        from srseg.errors import ParameterError
        from srseg.io import open_volume
        from srseg.preprocessing import find_field

        if not self.needs_scan:
            yield None
            return
        if file is None:
            raise ParameterError("thresholds need the grey values: name the scan with --scan FILE")
        scan = open_volume(file, default_grid=labels.grid)
        scan.field = find_field(scan)
        with self._normalised(scan, labels.grid) as prepared:
            yield prepared

    @contextmanager
    def _normalised(self, scan: "Volume", grid: "Grid") -> "Iterator[Volume]":
        from srseg.preprocessing import prepared_once

        edge = _edge(grid)
        with prepared_once(scan, voxel_size=edge, clip=self.clip, scratch=self.scratch) as (
            prepared,
            _,
        ):
            yield _on_grid(prepared, grid)


def _edge(grid: "Grid") -> float | None:
    """Give the edge of cubic voxels; None where they are none: the scan then keeps its own."""
    from math import isclose

    first = grid.voxel_size[0]
    cubic = all(isclose(size, first, rel_tol=1e-6) for size in grid.voxel_size)
    return first if cubic else None


def _on_grid(scan: "Volume", grid: "Grid") -> "Volume":
    from srseg.preprocessing import resample

    if scan.grid.same_as(grid):
        return scan
    _require_cover(scan.grid, grid)
    return resample(scan, grid, order="linear")


def _require_cover(scan: "Grid", labels: "Grid") -> None:
    """Refuse a scan that ends before the labels: what has no grey value would count as dark."""
    import numpy as np

    from srseg.errors import GridError

    ends = np.array(list(product(*((0, n - 1) for n in labels.shape))))
    places = scan.to_index(labels.to_physical(ends))
    # labels of coarser voxels may end up to a voxel later
    slack = 0.5 + np.array(labels.voxel_size) / scan.voxel_size
    beyond = np.maximum(-places, places - (np.array(scan.shape) - 1)).max(0)
    if (beyond > slack).any():
        size = " x ".join(
            f"{n * edge:g}" for n, edge in zip(scan.shape, scan.voxel_size, strict=True)
        )
        raise GridError(
            f"the scan ({size} µm along z, y, x) ends before the labels, by up to "
            f"{(beyond * scan.voxel_size).max():.4g} µm: voxels there have no grey value. Give the "
            "whole scan that the labels were made on, or crop them to it"
        )


def _table_of(labels: "Volume", file: Path) -> Any:
    """Give the table of a file that has none: the usual one, where its values are in it."""
    import numpy as np

    from srseg.errors import LabelError
    from srseg.labels import DEFAULT_LABELS, UNLABELLED, LabelTable

    values: set[int] = set()
    for _, block in labels.slabs():
        values |= set(np.unique(block).tolist())
    if not values <= set(range(256)):
        found = f"{min(values)} to {max(values)}"
        raise LabelError(
            f"{file}: its values go from {found}; labels are 0 to 255. Give the label file, "
            "not the scan"
        )
    usual = values <= {*DEFAULT_LABELS.values, UNLABELLED}
    table = DEFAULT_LABELS if usual else LabelTable.from_values(values)
    classes = ", ".join(f"{c.value} {c.name}" for c in table)
    note(f"{file}: says nothing of its classes, so they are taken to be {classes}")
    return table


def _software() -> dict[str, str]:
    from srseg._version import __version__

    return {"Name": "srseg", "Version": __version__}
