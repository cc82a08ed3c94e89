"""Take corrected labels back into the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.corrections._merge import Changes, CorrectedSource, find_changes
from srseg.corrections._pieces import overlap
from srseg.corrections._record import RECORD, Correction, is_export, read_correction
from srseg.corrections._returned import open_returned
from srseg.dataset import corrected_in, plan_corrected
from srseg.errors import DatasetError, GridError, ParameterError
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.corrections._record import Piece
    from srseg.corrections._suggestion import Suggestion
    from srseg.dataset import Dataset, DatasetSample, LabelsPlan
    from srseg.volumes import Region


@dataclass(frozen=True, eq=False)
class CorrectionPlan:
    """What taking a correction back would do; nothing is written yet.

    Parameters
    ----------
    correction : Correction
        What was exported.
    changes : Changes
        What was changed in it.
    places : tuple of Suggestion
        The slices and boxes that count as looked at.
    labels : LabelsPlan
        The label set that it makes, for `Dataset.register_labels`.
    """

    correction: Correction
    changes: Changes
    places: tuple[Suggestion, ...]
    labels: LabelsPlan

    @property
    def untouched(self) -> list[Suggestion]:
        """The places that were to be corrected and in which nothing was changed."""
        pairs = zip(self.places, self.changes.places, strict=False)
        return [one for one, n in pairs if not n]

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            That of the labels, and the key ``correction``.
        """
        return {**self.labels.to_dict(), "correction": dict(_how(self))}


def plan_correction(
    dataset: Dataset,
    file: Path | str,
    *,
    sample: str,
    label_set: str,
    correction: Path | str | None = None,
    looked_at: Sequence[str] | None = None,
    whole: bool = False,
    renamed: Mapping[str, str] | None = None,
) -> CorrectionPlan:
    """Look at corrected labels and tell what taking them back would do; nothing is written.

    The slices and boxes that were to be corrected are taken wholly, changed or not, but for voxels
    that had no label and got none. Voxels that were changed elsewhere are taken too. All else keeps
    what the label set says already, or is unlabelled.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    file : path
        The corrected file; or the folder that was exported, or the ``correction.json`` in it, for
        all of its files.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set that it becomes a new revision of, or the first one.
    correction : path, optional
        The file ``correction.json``; the one beside `file` where it is None.
    looked_at : sequence of str, optional
        The names of those slices and boxes that were looked at: ``"z 120"``; all that lie in `file`
        where it is None.
    whole : bool, default=False
        Whether every voxel of `file` was looked at.
    renamed : mapping of str to str, optional
        For 3D Slicer: what segments are whose name is no class, by the name of a class.

    Returns
    -------
    CorrectionPlan
        What changed, and the labels for `Dataset.register_labels`.

    Raises
    ------
    DatasetError
        If the file belongs to another sample, or what was exported changed meanwhile.
    GridError
        If its voxels do not lie where they were exported.
    LabelError
        If it has a class or a value that the dataset has not.
    MissingFileError
        If there is no ``correction.json``.
    ParameterError
        If a place that was looked at is none of the correction.

    Examples
    --------
    >>> from srseg import Dataset
    >>> dataset = Dataset("mgbone")  # doctest: +SKIP
    >>> plan = plan_correction(dataset, "to-correct", sample="A", label_set="HQ")  # doctest: +SKIP
    >>> dataset.register_labels(plan.labels, manual=True)  # doctest: +SKIP
    """
    path = Path(file)
    record = read_correction(path if correction is None else correction)
    if record.sample != sample:
        raise DatasetError(
            f"{record.folder / RECORD} is of sample {record.sample}, not of {sample}; name that "
            "one, or give the file that belongs to this"
        )
    one = dataset[sample]
    began = _stamps(one, record, label_set)
    base = _base(one, record, label_set)
    table = dataset.table
    all_of_it = is_export(path) or path.name == RECORD
    files = [record.folder / piece.labels for piece in record.pieces] if all_of_it else [path]
    opened = [open_returned(each, record, table, renamed or {}) for each in files]
    _require_each_once(files, [piece for piece, _ in opened])
    returned = [(piece.box, volume) for piece, volume in opened]
    places = _places(record, [box for box, _ in returned], looked_at)
    boxes = [box for box, _ in returned] if whole else [place.box for place in places]
    changes = find_changes(base, returned, boxes, table)
    earlier = one.labels(label_set) if label_set in one.label_sets else None
    if earlier is not None and not earlier.grid.same_as(base.grid):
        earlier = None  # refused below
    merged = Volume(CorrectedSource(base, returned, boxes, earlier), base.grid, table=table)
    listed = () if whole else tuple(places)
    how = {
        **_origin(record),
        **changes.to_dict(),
        "whole": whole,
        "places": [
            {"place": place.name, "changed": n}
            for place, n in zip(listed, changes.places, strict=False)
        ],
    }
    plan = plan_corrected(dataset, sample, label_set, merged, file=path, how=how)
    if _stamps(dataset[sample], record, label_set) != began:
        raise DatasetError(
            f"{record.label_set} or {label_set} of sample {sample} was replaced while this was "
            "under way; do the same again"
        )
    return CorrectionPlan(record, changes, listed, plan)


def _how(plan: CorrectionPlan) -> Mapping[str, Any]:
    found = corrected_in(plan.labels.facts)
    assert found is not None  # noqa: S101 - it was put there
    return found


def _origin(record: Correction) -> dict[str, Any]:
    return {
        "identifier": record.identifier,
        "set": record.label_set,
        **({} if record.revision is None else {"revision": record.revision}),
        "stamp": dict(record.stamp),
    }


def _stamps(one: DatasetSample, record: Correction, label_set: str) -> list[Any]:
    """Tell which files the exported labels and the label set are now."""
    there = [*one.label_sets, *one.predictions]
    return [
        one.labels_info(name)["Stamp"] if name in there else None
        for name in (record.label_set, label_set)
    ]


def _base(one: DatasetSample, record: Correction, label_set: str) -> Volume:
    """Open what was exported, if it is still the same."""
    name = record.label_set
    said = one.labels_info(name)
    base: Volume | None = None
    if said["Stamp"] == record.stamp:
        base = one.labels(name)
    elif name == label_set and (corrected_in(said) or {}).get("identifier") == record.identifier:
        # the same correction came back before; what it was made from is an older revision now
        base = one.labels(name, revision=record.revision)
    if base is None:
        was = "" if record.revision is None else f", revision {record.revision},"
        now = f" (now revision {said['Revision']})" if "Revision" in said else ""
        raise DatasetError(
            f"{name} of sample {one.name}{was} was replaced since it was exported{now}, so what "
            "was changed by hand cannot be told from what was replaced. Export the new one with: "
            "srseg correct export, and correct that; or add all of the file as it is, without "
            "--from-correction"
        )
    if not base.grid.same_as(record.grid):
        raise DatasetError(
            f"sample {one.name} was aligned since {name} was exported, and its voxels lie "
            "elsewhere now; take the alignment back (srseg align --undo), bring the correction in, "
            "and align again"
        )
    return base


def _require_each_once(files: Sequence[Path], pieces: Sequence[Piece]) -> None:
    """Refuse two files of one place, of which one would undo the other."""
    for number, piece in enumerate(pieces):
        first = pieces.index(piece)
        if first != number:
            raise GridError(
                f"{files[first]} and {files[number]} are both what was exported as {piece.labels}; "
                "save each under the name that it had, or bring back one at a time"
            )


def _places(
    record: Correction, boxes: Sequence[Region], looked_at: Sequence[str] | None
) -> list[Suggestion]:
    """List the places that count as looked at: those in the files that came back."""
    there = [
        one for one in record.suggestions if any(overlap(one.box, box) is not None for box in boxes)
    ]
    if looked_at is None:
        return there
    names = {one.name: one for one in there}
    unknown = [name for name in looked_at if name not in names]
    if unknown:
        raise ParameterError(
            f"{unknown[0]!r} is no place of this correction; it has {', '.join(names)}"
        )
    return [names[name] for name in dict.fromkeys(looked_at)]
