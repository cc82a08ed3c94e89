"""Register a scan: look at it first, then bring it in or note where it is."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._hashing import hash_scan
from srseg.dataset._layout import Layout, SampleKey, require_label, suggest_label
from srseg.dataset._metadata import parse_metadata, to_sections
from srseg.dataset._schema_document import SCHEMA_VERSION
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.dataset._tables import update_tables
from srseg.dataset._values import MetadataValue, clean_text
from srseg.errors import DatasetError, ParameterError, SRSegError, StorageError
from srseg.io import Reading, copy_boxes, create_hdf5, describe, open_volume
from srseg.preprocessing import find_field
from srseg.progress import task
from srseg.storage import (
    FileStamp,
    file_stamp,
    read_json,
    require_free_space,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.io import ScanInfo
    from srseg.volumes import FieldOfView, Region, Volume

COPY_LIMIT = 4 << 30
"""Files above this size in bytes stay where they are, unless a copy is asked for."""

# what io finds in a file, and the key it is kept under
_HARVEST = {
    "instrument": "beamline",
    "source": "facility",
    "program": "reconstruction_program",
    "version": "reconstruction_version",
    "energy_keV": "energy_kev",
    **{
        name: name
        for name in (
            "proposal", "beam", "distance_mm", "exposure_ms", "projections", "scintillator",
            "optics", "camera", "camera_pixel_um", "camera_bits",
        )
    },
}  # fmt: skip


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
    name: str | None,
    subject: str | None,
    voxel_size: float | None,
    reading: Reading | None,
    metadata: Mapping[str, object] | None,
    copy: bool | None,
    roi: Region | None,
    field: FieldOfView | Literal["auto"] | None,
    full_hash: bool,
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
    _require_free(layout, name)
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
    harvested = {k: v for k, v in _harvest(info).items() if k not in given}
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


def register(layout: Layout, plan: SamplePlan) -> SampleKey:
    """Carry out a plan: voxels first, then the sidecar that makes it a sample, then the tables."""
    with layout.lock(f"sample-{plan.name}"):
        _require_free(layout, plan.name)
        before = set(layout.root.glob("sub-*"))
        key = SampleKey(plan.subject or _free_subject(layout, plan.name), plan.name)
        try:
            _write(layout, plan, key)
        except BaseException:
            folder = layout.scan_sidecar(key).parent
            # a folder in which nothing lies would keep the number of the subject
            for empty in (folder, folder.parent):
                if folder.parent not in before:
                    with suppress(OSError):
                        empty.rmdir()
            raise
    update_tables(layout)
    return key


def _write(layout: Layout, plan: SamplePlan, key: SampleKey) -> None:
    sidecar = layout.scan_sidecar(key)
    try:
        sidecar.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            error.errno, f"cannot make the folder {sidecar.parent}: {error.strerror}"
        ) from error
    target = sidecar.with_suffix(".h5")
    if target.is_file() and target.samefile(plan.source):
        # a copy whose sidecar was lost is adopted as it is
        plan = replace(plan, copied=True)
        if file_stamp(target) != plan.stamp:
            raise _changed(plan.source)
    elif plan.copied:
        _require_leftover(target, plan)
        _copy(target, plan, key)
    stamp = file_stamp(target) if plan.copied else plan.stamp
    sha256 = None
    if plan.full_hash and not plan.copied:
        # a copy has the checksums of its chunks inside
        sha256 = hash_scan(plan.source, plan.parts, plan.stamp.size)
        if file_stamp(plan.source, plan.parts) != plan.stamp:
            raise _changed(plan.source)
    write_json(sidecar, _sidecar(plan, key, stamp, sha256))


def _copy(target: Path, plan: SamplePlan, key: SampleKey) -> None:
    volume = plan.volume
    require_free_space(target.parent, volume.nbytes, f"the copy of {plan.source}")
    with (
        create_hdf5(
            target, volume.grid, volume.dtype, normalised=volume.normalised,
            compression="bitshuffle", title=target.name, overwrite=True,
            provenance={
                "Source": str(plan.source), "SourceStamp": plan.stamp.to_dict(), **written_now(),
                # should this process end before the sidecar stands, it can be made from the file
                "Sidecar": _sidecar(plan, key, None, None),
            },
        ) as sink,
        task(f"copying {plan.name}", volume.grid.n_voxels) as progress,
    ):  # fmt: skip
        for box in copy_boxes(volume):
            block = volume.read(box)
            sink[box] = block
            progress.advance(block.size)
        # before it takes its place: nothing is taken away for a copy of two halves
        if file_stamp(plan.source, plan.parts) != plan.stamp:
            raise _changed(plan.source)


def _changed(source: Path) -> DatasetError:
    return DatasetError(f"{source} changed while it was read; try again")


def _require_leftover(target: Path, plan: SamplePlan) -> None:
    """Refuse to replace voxels without a sidecar, unless they are a copy of the same file."""
    if not target.exists():
        return
    try:
        provenance = describe(target).metadata["provenance"]
        same = (
            provenance["Source"] == str(plan.source)
            and FileStamp.from_dict(provenance["SourceStamp"]) == plan.stamp
        )
    except (SRSegError, KeyError, TypeError, ValueError):
        same = False
    if not same:
        raise DatasetError(
            f"{target} lies there without its sidecar, and is not known to be a copy of "
            f"{plan.source}: it may be the only one of a scan, and is kept. Register it with: "
            f"srseg dataset add {target} --sample {plan.name}; or move it away"
        )


def _sidecar(
    plan: SamplePlan, key: SampleKey, stamp: FileStamp | None, sha256: str | None
) -> dict[str, Any]:
    copied, field = plan.copied, plan.volume.field
    return {
        "SchemaVersion": SCHEMA_VERSION,
        **pixel_size(plan.volume.grid),
        **to_sections(plan.metadata),
        "Scan": {
            "File": f"{key.stem}_XPCT.h5" if copied else str(plan.source),
            "Reading": {} if copied else plan.reading.to_dict(),
            "Parts": [] if copied else [str(part) for part in plan.parts],
            "Copied": copied,
            **({} if stamp is None else {"Stamp": stamp.to_dict()}),
            **({} if sha256 is None else {"Sha256": sha256}),
        },
        "DataType": str(plan.volume.dtype),
        "Grid": plan.volume.grid.to_dict(),
        **({} if plan.roi is None else {"Roi": [[p.start, p.stop] for p in plan.roi]}),
        **({} if field is None else {"FieldOfView": field.to_dict()}),
        "Source": {
            "File": str(plan.source),
            "Reading": plan.reading.to_dict(),
            "Stamp": plan.stamp.to_dict(),
        },
        "Registered": written_now(),
    }


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


def _require_free(layout: Layout, name: str) -> None:
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
            box = None if roi is None else [[part.start, part.stop] for part in roi]
            same = same and sidecar.get("Roi") == box
        except (SRSegError, KeyError, TypeError, AttributeError):
            continue  # check tells of it
        if same:
            warnings.warn(
                f"{source} is registered already, as sample {key.name}; a scan that is in a "
                "dataset twice can stand on both sides of a fold",
                stacklevel=5,
            )
            return


def _free_subject(layout: Layout, name: str) -> str:
    """Take the next free number; the folder is what reserves it among several writers."""
    for left in layout.root.glob(f"sub-*/micr/sub-*_sample-{name}_XPCT.h5"):
        # an add that was killed before its sidecar: go on in its place
        return left.parent.parent.name.removeprefix("sub-")
    taken = [p.name.removeprefix("sub-") for p in layout.root.glob("sub-*")]
    number = 1 + max((int(t) for t in taken if t.isascii() and t.isdigit()), default=0)
    while True:
        try:
            (layout.root / f"sub-{number:02d}").mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise StorageError(
                error.errno, f"cannot make a folder in {layout.root}: {error.strerror}"
            ) from error
        else:
            return f"{number:02d}"


def _harvest(info: ScanInfo) -> dict[str, MetadataValue]:
    found: dict[str, MetadataValue] = {}
    for theirs, ours in _HARVEST.items():
        value = info.metadata.get(theirs)
        if value in (None, "", "n/a") or (theirs == "program" and value == "srseg"):
            continue
        try:
            text = clean_text(value, ours) if isinstance(value, str) else value
            found.update(parse_metadata({ours: text}, where=str(info.path)))
        except SRSegError:
            continue  # a beamline's free text is a help, not a condition
    return found
