"""What is wrong with label sets, their kept revisions, and predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._labels.revisions import (
    aside_of,
    data_of,
    kept_data_of,
    recorded_stamp,
    revision_of,
    voxels_of,
)
from srseg.dataset._layout import LABELS, PREDICTION_PREFIX, SampleKey, parse_labels_name
from srseg.dataset._listing import micr_files
from srseg.dataset._sidecar import difference, read_grid, require_same_grid
from srseg.errors import SRSegError
from srseg.io import open_volume
from srseg.labels import UNLABELLED
from srseg.storage import file_stamp, read_json, sealing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._layout import Layout
    from srseg.labels import LabelTable

_SIDECAR = "Correct the sidecar, or take it from a backup."


def label_problems(scope: Scope, table: LabelTable | None) -> Iterator[Problem]:
    """Look at each sidecar of labels, and at the voxels that it describes."""
    known, layout = set(scope.known), scope.layout
    for folder in (LABELS, *(PREDICTION_PREFIX + model for model in layout.models())):
        for sidecar in scope.within(micr_files(layout.derivative(folder))):
            parsed = parse_labels_name(sidecar.name)
            if parsed is None or sidecar.suffix != ".json":
                continue
            key, label_set, revision = parsed
            if key not in known and key not in scope.waiting:
                yield Problem(
                    "orphan", sidecar, f"labels for {key.stem}, which is not registered",
                    "Take the sidecar of its scan from a backup, or add the scan again under that "
                    "name and subject; labels that are not wanted can be moved out of the way.",
                )  # fmt: skip
            try:
                described = read_json(sidecar)
                yield from _label_set(sidecar, described, revision, table)
                if revision is not None:
                    yield from _kept(layout, key, label_set, revision, sidecar)
            except SRSegError as error:
                yield Problem("unreadable", sidecar, str(error), _SIDECAR)


def _label_set(
    sidecar: Path, described: dict[str, Any], revision: int | None, table: LabelTable | None
) -> Iterator[Problem]:
    path = data_of(sidecar)
    if voxels_of(sidecar, described) == aside_of(path):
        return  # a prediction whose replacement was interrupted
    if not path.is_file():
        yield Problem(
            "missing", path, f"the voxels that {sidecar.name} describes are not there",
            "Take them from a backup, or add the labels again.",
        )  # fmt: skip
        return
    how = difference(recorded_stamp(sidecar, described), file_stamp(path), moved=True)
    kept = kept_data_of(sidecar, described)
    if how and revision is None and kept.is_file():
        yield Problem(
            "unfinished", path,
            f"a newer revision than the sidecar describes ({how}): an update was interrupted; the "
            f"old revision is whole as {kept.name}",
            "Finish it with: srseg dataset check --repair.",
        )  # fmt: skip
    elif how:
        yield Problem(
            "changed", path, f"not what was added: {how}",
            "See whether it is damaged with: srseg dataset check --deep. If it is whole and meant, "
            "copy it elsewhere and add it as a new revision with: srseg dataset label.",
        )  # fmt: skip
    elif "Grid" in described and sealing(sidecar) != "whole":
        # what srseg wrote it took from the voxels
        volume = open_volume(path, labels=True)
        require_same_grid(volume, read_grid(described, sidecar), path, sidecar.name)
    if table is None or revision is not None:
        return
    voxels = described.get("Voxels", {})
    if not isinstance(voxels, dict) or not all(v.isascii() and v.isdigit() for v in voxels):
        yield Problem(
            "unreadable", sidecar, f"Voxels must hold the number of voxels by value: {voxels!r}",
            "Take the sidecar from a backup, or add the labels again.",
        )  # fmt: skip
        return
    values = {int(v) for v in voxels}
    unknown = sorted(values - set(table.values) - {UNLABELLED})
    if unknown:
        yield Problem(
            "values", path, f"holds the values {unknown}, which dseg.tsv does not list",
            "Add the classes to dseg.tsv, or labels with the right values.",
        )  # fmt: skip


def _kept(
    layout: Layout, key: SampleKey, label_set: str, revision: int, sidecar: Path
) -> Iterator[Problem]:
    current = layout.labels_sidecar(key, label_set)
    newest = revision_of(current, read_json(current)) if current.is_file() else None
    if newest is None:
        yield Problem(
            "missing", current, f"older revisions of {label_set} are there, the newest is not",
            "Take it from a backup, or add the labels again.",
        )  # fmt: skip
    elif revision >= newest:
        yield Problem(
            "unfinished", sidecar,
            f"an update of {label_set} was interrupted; revision {newest} is still the newest",
            "Clear it up with: srseg dataset check --repair.",
        )  # fmt: skip
