"""The history of a label set: its revisions, who made them, when and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.corrected import corrected_in
from srseg.dataset._labels.revisions import revision_of
from srseg.errors import FileFormatError, UnknownNameError
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey


@dataclass(frozen=True)
class LabelRevision:
    """One revision of a label set.

    Parameters
    ----------
    number : int
        Its number, from 1.
    newest : bool
        Whether it is the one that is used.
    by : str
        Who added it; empty where that is not known.
    at : str
        When, in UTC.
    source : str
        The file that it came from.
    note : str
        How it was made.
    manual : bool or None
        Whether it was drawn by hand; None where that is not known.
    shape : tuple of int
        Number of voxels along z, y, x; empty where that is not known.
    voxels : mapping of int to int
        Number of voxels of each value.
    restored : int or None
        The older revision that it is the same as, where it was restored.
    corrected : mapping or None
        What was corrected, as `plan_corrected` was given it.
    """

    number: int
    newest: bool
    by: str
    at: str
    source: str
    note: str
    manual: bool | None
    shape: tuple[int, ...] = ()
    voxels: Mapping[int, int] = field(default_factory=dict)
    restored: int | None = None
    corrected: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the revision as plain data for JSON.

        Returns
        -------
        dict
            Values by the name of the parameter.
        """
        return asdict(self)


def list_revisions(layout: Layout, key: SampleKey, label_set: str) -> list[LabelRevision]:
    """List the revisions of a label set, the oldest first.

    Raises
    ------
    FileFormatError
        If a sidecar is not one that srseg wrote.
    """
    newest = layout.labels_sidecar(key, label_set)
    described = read_json(newest)
    last = revision_of(newest, described)
    found = {last: _revision(last, described, newest, newest=True)}
    for number in layout.revisions(key, label_set):
        path = layout.labels_sidecar(key, label_set, number)
        # after an update that was interrupted the newest lies under its number already
        if number not in found:
            known = read_json(path) if path.is_file() else {}
            found[number] = _revision(number, known, path, newest=False)
    return [found[number] for number in sorted(found)]


def sidecar_of(layout: Layout, key: SampleKey, label_set: str, revision: int) -> Path:
    """Find the sidecar of a revision.

    Raises
    ------
    UnknownNameError
        If there is none of that number; lists those that there are.
    """
    newest = layout.labels_sidecar(key, label_set)
    if revision_of(newest, read_json(newest)) == revision:
        return newest
    kept = layout.labels_sidecar(key, label_set, revision)
    if kept.is_file():
        return kept
    there = ", ".join(str(r.number) for r in list_revisions(layout, key, label_set))
    raise UnknownNameError(
        f"label set {label_set} of sample {key.name} has no revision {revision}; it has {there}"
    )


def _revision(
    number: int, described: Mapping[str, Any], path: Path, *, newest: bool
) -> LabelRevision:
    try:
        written = described.get("Written", {})
        return LabelRevision(
            number=number,
            newest=newest,
            by=str(written.get("By", "")),
            at=str(written.get("At", "")),
            source=str(described.get("SourceFile", "")),
            note=str(described.get("Description", "")),
            manual=described.get("Manual"),
            shape=tuple(described.get("Grid", {}).get("shape", ())),
            voxels={int(v): int(n) for v, n in described.get("Voxels", {}).items()},
            restored=described.get("RestoredRevision"),
            corrected=corrected_in(described),
        )
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(
            f"{path} is not a sidecar of labels that srseg wrote ({error}); take it from a backup, "
            "or add the labels again"
        ) from None
