"""Register a scan: look at it first, then bring it in or note where it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.hashing import hash_scan
from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._metadata.document import SCHEMA_VERSION
from srseg.dataset._metadata.parse import to_sections
from srseg.dataset._scans.plan import SamplePlan, require_free
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.dataset._tables import update_tables
from srseg.errors import DatasetError, SRSegError, StorageError
from srseg.io import copy_boxes, create_hdf5, describe, read_ahead
from srseg.progress import task
from srseg.storage import (
    FileStamp,
    file_stamp,
    require_free_space,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path


def register(layout: Layout, plan: SamplePlan) -> SampleKey:
    """Carry out a plan: voxels first, then the sidecar that makes it a sample, then the tables."""
    with layout.lock(f"sample-{plan.name}"):
        require_free(layout, plan.name)
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
    write_json(sidecar, _sidecar(plan, key, stamp, sha256), seal=True)


def _copy(target: Path, plan: SamplePlan, key: SampleKey) -> None:
    volume = plan.volume
    require_free_space(target.parent, volume.nbytes, f"the copy of {plan.source}")
    with (
        create_hdf5(
            target, volume.grid, volume.dtype, normalised=volume.normalised,
            compression="bitshuffle", title=target.name, overwrite=True,
            facts={**plan.metadata, "sample": plan.name},
            provenance={
                "Source": str(plan.source), "SourceStamp": plan.stamp.to_dict(), **written_now(),
                # should this process end before the sidecar stands, it can be made from the file
                "Sidecar": _sidecar(plan, key, None, None),
            },
        ) as sink,
        task(f"copying {plan.name}", volume.grid.n_voxels) as progress,
    ):  # fmt: skip
        for box, block in read_ahead(volume, copy_boxes(volume)):
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
                error.errno,
                f"cannot make a folder in {layout.root}: {error.strerror}; put that right and "
                "start again",
            ) from error
        else:
            return f"{number:02d}"
