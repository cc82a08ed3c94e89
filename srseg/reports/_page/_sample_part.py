"""What a page shows of one sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from srseg.errors import SRSegError
from srseg.evaluation import evaluate_labels
from srseg.reports._page._classes import count_classes, shares_table
from srseg.reports._page._facts import scan_facts
from srseg.reports._page._pictures import cuts, errors, grey_values, implant
from srseg.reports._page._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from srseg.dataset import DatasetSample
    from srseg.evaluation import SampleScores
    from srseg.labels import LabelTable
    from srseg.progress import Task
    from srseg.reports._page._parts import Picture, Table
    from srseg.volumes import Volume

_PICTURES = {
    "cuts": cuts, "errors": errors, "the implant in space": implant, "grey values": grey_values,
}  # fmt: skip
STEPS = 1 + len(_PICTURES)
"""Into how many steps the work on a sample is divided, beside one for each label set."""

T = TypeVar("T")


@dataclass
class SamplePart:
    """What a page shows of one sample.

    Parameters
    ----------
    name : str
        Its name.
    facts : dict of str to str
        What was scanned.
    labels : dict of str to Volume
        The label sets that are shown.
    maps : dict of str to Volume
        Disagreement, by a name.
    scan : Volume or None
        The scan, or its working copy where that lies on the grid of labels; None where it is away.
    scores : dict of str to SampleScores
        Agreement with the truth, by label set.
    counts : dict of str to dict of int to int
        Voxels of each value, by label set.
    shares : Table or None
        The classes of each label set.
    pictures : list of Picture
        Cuts, errors, the implant in space, grey values.
    notes : list of str
        What is missing, and why.
    """

    name: str
    facts: dict[str, str]
    labels: dict[str, Volume] = field(default_factory=dict)
    maps: dict[str, Volume] = field(default_factory=dict)
    scan: Volume | None = None
    scores: dict[str, SampleScores] = field(default_factory=dict)
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    shares: Table | None = None
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """Do a part of the work; where it fails, the page says so and the rest goes on."""
        try:
            return work()
        except (SRSegError, OSError) as error:
            self.notes.append(f"{what}: {error}")
            return None


def sample_part(
    sample: DatasetSample, names: list[str], against: str | None, table: LabelTable, progress: Task
) -> SamplePart:
    """Look at a sample.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    names : list of str
        Its label sets and predictions that are shown.
    against : str or None
        The one that counts as true, where the sample has it.
    table : LabelTable
        The classes of the dataset.
    progress : Task
        Is advanced by the voxels of the scan for each of `STEPS`, and for each label set.

    Returns
    -------
    SamplePart
        What could be found out.
    """
    part = SamplePart(sample.name, scan_facts(sample))
    for name in names:
        _open(sample, name, part)
    part.scan = part.attempt("the scan", lambda: _scan(sample, list(part.labels)))
    truth = against if against in part.labels else None
    n = sample.scan_grid.n_voxels
    for name in names:
        if truth is not None and name != truth and name in part.labels:
            progress.advance(0, f"{sample.name}, {name} against {truth}")
            _score(part, name, truth)
        progress.advance(n)
    progress.advance(0, f"{sample.name}, classes")
    part.counts = _counts(sample, part)
    if part.counts:
        sizes = {name: part.labels[name].grid.voxel_size for name in part.counts}
        part.shares = shares_table(part.counts, table, sizes)
    progress.advance(n)
    shown = Shown(part.name, part.scan, part.labels, part.maps, truth, table, part.counts)
    for what, draw in _PICTURES.items():
        progress.advance(0, f"{sample.name}, {what}")
        picture = part.attempt(what, lambda draw=draw: draw(shown))  # type: ignore[misc]
        if picture is not None:
            part.pictures.append(picture)
        progress.advance(n)
    return part


def _open(sample: DatasetSample, name: str, part: SamplePart) -> None:
    """Open a label set, and the disagreement of a prediction where it was saved."""
    labels = part.attempt(f"labels {name}", lambda: sample.labels(name))
    if labels is None:
        return
    part.labels[name] = labels
    if "entropy" in sample.labels_info(name).get("Saved", {}):
        what = f"disagreement of {name}"
        found = part.attempt(what, lambda: sample.disagreement(name, ("entropy",)))
        if found is not None:
            part.maps[what] = found["entropy"]


def _scan(sample: DatasetSample, names: list[str]) -> Volume:
    """Give the working copy that lies on the grid of labels, which is quick to read; else the scan.

    Where the scan is away, a working copy is still there.
    """
    made = [sample.labels_info(name).get("Provenance", {}) for name in names]
    settings = [
        (one["voxel_size_um"], tuple(one["clip_percentiles"]))
        for one in made
        if one.get("clip_percentiles")
    ]
    grids = [sample.labels(name).grid for name in names]
    for size, (low, high) in dict.fromkeys([*settings, (5.0, (0.5, 99.9))]):
        copy = sample.prepared(size, (float(low), float(high)))
        if copy is not None and any(copy.grid.same_as(grid) for grid in grids):
            return copy
    return sample.scan


def _score(part: SamplePart, name: str, truth: str) -> None:
    pair = (part.labels[truth], part.labels[name])
    found = part.attempt(
        f"agreement of {name} with {truth}", lambda: evaluate_labels([pair], [part.name])
    )
    if found is not None:
        part.scores[name] = found


def _counts(sample: DatasetSample, part: SamplePart) -> dict[str, dict[int, int]]:
    """Count the voxels of each class, where the dataset has not done so."""
    counts = {}
    for name, labels in part.labels.items():
        known = sample.labels_info(name).get("Voxels")
        if known:
            counts[name] = {int(value): int(n) for value, n in known.items()}
            continue
        found = part.attempt(f"classes of {name}", lambda v=labels: count_classes(v))  # type: ignore[misc]
        if found is not None:
            counts[name] = found
    return counts
