"""The folder of an export: what tells that it is one, and whether it may be written into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._layout import Layout, SampleKey, sample_of
from srseg.errors import DatasetError
from srseg.storage import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._export.formats import ExportFormat
    from srseg.dataset._view import SampleView

MARK = ".srseg/export.json"
"""What tells that a folder is an export, of what and in which format."""


def require_place(out: Path, dataset: SampleView, format: ExportFormat) -> None:  # noqa: A002
    """Refuse a folder that is the dataset, or holds anything but an export of it."""
    root, place = dataset.path.resolve(), out.resolve()
    if place == root or root in place.parents or place in root.parents:
        raise DatasetError(
            f"{out} is the dataset {dataset.path}, or lies inside it or around it; choose a folder "
            "beside it"
        )
    if not out.exists():
        return
    if not out.is_dir():
        raise DatasetError(f"{out} is a file; choose a folder for the export")
    mark = out / MARK
    # an export that begins in another process at this moment, or was killed then
    if all(there == mark.parent for there in out.iterdir()) and not mark.is_file():
        return
    if not mark.is_file():
        raise DatasetError(
            f"{out} is not empty and not an export by srseg; choose a new folder, so that nothing "
            "of others is touched"
        )
    said = read_json(mark)
    if said != mark_of(dataset, format):
        raise DatasetError(
            f"{out} is an export of {said.get('Dataset')!r} as {said.get('Format')}, not of "
            f"{dataset.title!r} as {format.name}; choose another folder"
        )
    there = samples_in(out, "sub-*/micr/*.json", "derivatives/*/sub-*/micr/*.json")
    missing = sorted(there - set(Layout(dataset.path).samples()))
    if missing:
        raise DatasetError(
            f"{out} holds sample {missing[0].name} of subject {missing[0].subject}, which "
            f"{dataset.path} has not any more, and its tables could not tell of it; remove the "
            "files of that sample there, or choose another folder"
        )


def samples_in(out: Path, *patterns: str) -> set[SampleKey]:
    """List the samples of which an export holds something."""
    found = (sample_of(path.name) for pattern in patterns for path in out.glob(pattern))
    return {key for key in found if key is not None}


def mark_of(dataset: SampleView, format: ExportFormat) -> dict[str, str]:  # noqa: A002
    """Say of what a folder is an export."""
    return {"Dataset": dataset.title, "Format": format.name}
