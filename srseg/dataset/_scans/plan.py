"""Look at a scan and decide how it would be registered; nothing is written yet."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from srseg.dataset._layout import Layout, require_label, suggest_label
from srseg.dataset._metadata.harvest import harvest
from srseg.dataset._metadata.parse import parse_metadata
from srseg.errors import DatasetError, ParameterError, SRSegError
from srseg.io import Reading, describe, open_volume
from srseg.preprocessing import find_field
from srseg.storage import FileStamp, file_stamp, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.dataset._metadata.values import MetadataValue
    from srseg.volumes import FieldOfView, Region, Volume

COPY_LIMIT = 4 << 30
"""Files above this size in bytes stay where they are, unless a copy is asked for."""


class ScanOptions(TypedDict, total=False):
    """What can be said of a scan that is registered; see `Dataset.add_sample`."""

    name: str | None
    subject: str | None
    voxel_size: float | None
    reading: Reading | None
    metadata: Mapping[str, object] | None
    copy: bool | None
    roi: Region | None
    field: FieldOfView | Literal["auto"] | None
    full_hash: bool


@dataclass(frozen=True)
class SamplePlan:
    """What registering a file would do; nothing is written yet.

    Parameters
    ----------
    source : Path
        The file, or the folder of slices.
    reading : Reading
        How it is read: the path inside an HDF5 file, the order of its axes.
    parts : tuple of Path
        Other files that hold its voxels.
    name : str
        Name of the sample.
    subject : str or None
        The subject; None for the next free number.
    copied : bool
        Whether the voxels are copied into the dataset.
    volume : Volume
        The scan, as the file has it; its `field` is where the reconstruction saw anything.
    roi : tuple of three slices or None
        The part of the file that is the sample.
    full_hash : bool
        Whether every byte of a file that stays where it is goes into a checksum.
    stamp : FileStamp
        What tells that the file is still the same.
    metadata : dict
        What is known of the sample, by key.
    harvested : tuple of str
        The keys that come from the file itself.
    """

    source: Path
    reading: Reading
    parts: tuple[Path, ...]
    name: str
    subject: str | None
    copied: bool
    volume: Volume
    roi: Region | None
    full_hash: bool
    stamp: FileStamp
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    harvested: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            Keys ``sample``, ``subject``, ``source``, ``dataset_path``, ``axes``, ``copied``,
            ``bytes``, ``shape``, ``dtype``, ``voxel_size_um``, ``roi``, ``field_of_view``,
            ``metadata``, ``from_file``.
        """
        field = self.volume.field
        return {
            "sample": self.name,
            "subject": self.subject,
            "source": str(self.source),
            "dataset_path": self.reading.dataset,
            "axes": self.reading.axes,
            "copied": self.copied,
            "bytes": self.stamp.size,
            "shape": list(self.volume.shape),
            "dtype": str(self.volume.dtype),
            "voxel_size_um": list(self.volume.grid.voxel_size),
            "roi": None if self.roi is None else [[p.start, p.stop] for p in self.roi],
            "field_of_view": None if field is None else field.to_dict(),
            "metadata": dict(self.metadata),
            "from_file": list(self.harvested),
        }


def plan_sample(
    layout: Layout,
    file: Path | str,
    *,
    name: str | None = None,
    subject: str | None = None,
    voxel_size: float | None = None,
    reading: Reading | None = None,
    metadata: Mapping[str, object] | None = None,
    copy: bool | None = None,
    roi: Region | None = None,
    field: FieldOfView | Literal["auto"] | None = "auto",
    full_hash: bool = False,
) -> SamplePlan:
    """Look at a file and decide how it would be registered."""
    # what costs nothing to find wrong is found first
    given = parse_metadata(metadata or {})
    if name is None:
        name = _name_of(Path(file))
    else:
        require_label(name, what="the sample name")
    if subject is not None:
        subject = require_label(subject.removeprefix("sub-"), what="the subject")
    require_free(layout, name)
    reading = reading or Reading()
    info = describe(file, reading)
    source = info.path.resolve()
    if info.table is not None:
        raise DatasetError(
            f"{file} holds labels, not a scan; add them to their sample with: "
            f"srseg dataset label {file} --sample SAMPLE --set WF"
        )
    volume = open_volume(file, reading, voxel_size=voxel_size)
    if roi is not None:
        volume.grid.cropped(roi)  # refuses a box that is not inside
    volume.field = find_field(volume) if field == "auto" else field
    stamp = file_stamp(source, info.parts)
    _warn_of_second(layout, source, info.dataset, roi)
    stated = info.metadata.get("axes")
    if stated and reading.axes == "zyx":
        warnings.warn(
            f"{file} calls its axes {stated}, and they are taken as zyx; if the file is right, say "
            f"--axes {stated}",
            stacklevel=4,
        )
    harvested = {k: v for k, v in harvest(info).items() if k not in given}
    return SamplePlan(
        source=source,
        reading=replace(reading, dataset=info.dataset),
        parts=tuple(part.resolve() for part in info.parts),
        name=name,
        subject=subject,
        copied=stamp.size <= COPY_LIMIT if copy is None else copy,
        volume=volume,
        roi=roi,
        full_hash=full_hash,
        stamp=stamp,
        metadata={**given, **harvested},
        harvested=tuple(harvested),
    )


def _name_of(file: Path) -> str:
    stem = file.resolve().name
    # "scan.nii.gz" and "scan.seg.nrrd" are one suffix each
    for ending in (".nii.gz", ".seg.nrrd", ".ome.tif", ".ome.tiff", ".ome.zarr"):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    else:
        stem = stem if file.is_dir() else Path(stem).stem
    name = suggest_label(stem)
    if not name:
        raise ParameterError(f"{file}: its name gives no sample name; say one with --sample")
    return name


def require_free(layout: Layout, name: str) -> None:
    """Refuse a name that a sample has, in upper or lower case."""
    for key in layout.samples():
        if key.name.casefold() == name.casefold():
            raise DatasetError(
                f"{layout.root} already has a sample {key.name!r} ({key.stem}_XPCT.json); choose "
                "another name with --sample"
            )


def _warn_of_second(layout: Layout, source: Path, dataset: str | None, roi: Region | None) -> None:
    """Warn of a file that is a sample already; another part of it may well be a second one."""
    for key in layout.samples():
        path = layout.scan_sidecar(key)
        try:
            sidecar = read_json(path)
            there = sidecar["Source"]
            same = there["File"] == str(source) and there["Reading"].get("dataset") == dataset
            same = same and _overlap(roi, sidecar.get("Roi"))
        except (SRSegError, KeyError, TypeError, ValueError, AttributeError):
            continue  # check tells of it
        if same:
            warnings.warn(
                f"{source} is registered already, as sample {key.name}, and the two share voxels; "
                "what is in a dataset twice can stand on both sides of a fold",
                stacklevel=5,
            )
            return


def _overlap(roi: Region | None, there: list[list[int]] | None) -> bool:
    """Whether two parts of a file share voxels; None is the whole."""
    if roi is None or there is None:
        return True
    pairs = zip(roi, there, strict=True)
    return all(part.start < last and first < part.stop for part, (first, last) in pairs)
