"""What a figure is drawn of: a sample of a dataset, or files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from srseg.cli._options import open_dataset
from srseg.cli._output import note

if TYPE_CHECKING:
    from srseg.dataset import DatasetSample
    from srseg.io import Reading
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Sample, Volume

_MOST = 5  # label sets side by side that a reader can still see


@dataclass(frozen=True)
class Where:
    """The options that say where scan and labels are, and how files are read."""

    sample: str | None
    scan: Path | None
    dataset: Path | None
    reading: "Reading"
    voxel_size: float | None


@dataclass
class Shown:
    """A scan and what is laid over it."""

    name: str
    scan: "Volume"
    sample: "DatasetSample | None"
    labels: "dict[str, Volume]" = field(default_factory=dict)
    maps: "dict[str, Volume]" = field(default_factory=dict)

    def grid(self, wanted: str) -> "Grid | None":
        """Give the grid that is asked for; None is the scan's."""
        if wanted == "scan":
            return None
        if wanted not in self.labels:
            raise typer.BadParameter(
                f"{wanted!r} is not shown; choose one of {', '.join(['scan', *self.labels])}",
                param_hint="--grid",
            )
        return self.labels[wanted].grid

    def facts(self) -> dict[str, str]:
        """Say in JSON what it is."""
        return {"sample" if self.sample is not None else "scan": self.name}


def open_shown(where: Where) -> Shown:
    """Open the sample or the scan file."""
    if (where.sample is None) == (where.scan is None):
        raise typer.BadParameter(
            "name a sample of a dataset, or a scan file with --scan; one of the two",
            param_hint="SAMPLE",
        )
    if where.scan is not None:
        from srseg.io import open_volume

        scan = open_volume(where.scan, where.reading, voxel_size=where.voxel_size)
        return Shown(where.scan.name, scan, None)
    if where.voxel_size is not None or where.reading.voxel_size is not None:
        raise typer.BadParameter("is for files; samples know theirs", param_hint="--voxel-size")
    archive = open_dataset(where.dataset)
    one = archive[str(where.sample)]
    return Shown(one.name, one.scan, one)


def as_sample(shown: Shown) -> "Sample":
    """Give what a model predicts: the sample, or the scan file with its field of view."""
    if shown.sample is not None:
        return shown.sample
    from srseg.preprocessing import find_field
    from srseg.volumes import ArraySample

    shown.scan.field = find_field(shown.scan)
    return ArraySample(shown.name, shown.scan)


def add_labels(shown: Shown, where: Where, wanted: list[str] | None) -> None:
    """Open label sets, predictions and label files, in the order in which they are named."""
    from srseg.errors import UnknownNameError

    if wanted is None:
        wanted = _all_labels(shown)
    for text in wanted:
        name, is_file = text.partition("=")[0].strip(), "=" in text
        if name in shown.labels:
            raise typer.BadParameter(f"{name} is named twice", param_hint="--labels")
        if is_file:
            shown.labels[name] = _open_labels(_file(text, "--labels"), where, _table(shown))
        elif shown.sample is None:
            raise typer.BadParameter(
                f"{text!r}: of a scan file, labels are files; write NAME=FILE, such as HQ=hq.mha",
                param_hint="--labels",
            )
        else:
            try:
                shown.labels[name] = shown.sample.labels(name)
            except UnknownNameError as error:
                raise UnknownNameError(f"{error}; a label file is given as NAME=FILE") from None


def add_maps(shown: Shown, where: Where, wanted: list[str] | None, *, disagreement: bool) -> None:
    """Open maps of 0 to 1: files, and the disagreement that was saved with predictions."""
    from srseg.errors import UnknownNameError
    from srseg.io import open_volume

    for text in wanted or []:
        file = _file(text, "--map")
        name = text.partition("=")[0].strip()
        shown.maps[name] = open_volume(file, voxel_size=where.voxel_size)
    if disagreement and shown.sample is not None:
        for name in shown.labels:
            try:
                entropy = shown.sample.disagreement(name, ("entropy",))["entropy"]
            except UnknownNameError:
                continue  # no prediction, or nothing was saved with it
            shown.maps[f"disagreement of {name}"] = entropy


def _all_labels(shown: Shown) -> list[str]:
    there = [] if shown.sample is None else [*shown.sample.label_sets, *shown.sample.predictions]
    if not there:
        raise typer.BadParameter(
            f"{shown.name} has no labels; name them: --labels NAME=FILE", param_hint="--labels"
        )
    if len(there) > _MOST:
        raise typer.BadParameter(
            f"{shown.name} has {len(there)} label sets and predictions, which is too many for one "
            f"figure; choose some of {', '.join(there)}",
            param_hint="--labels",
        )
    return there


def _file(text: str, option: str) -> Path:
    from srseg.errors import MissingFileError

    name, _, file = (part.strip() for part in text.partition("="))
    if not (name and file):
        raise typer.BadParameter(f"{text!r} is not NAME=FILE", param_hint=option)
    if not Path(file).exists():
        raise MissingFileError(f"{file}, given with {option}, does not exist; check the path")
    return Path(file)


def _table(shown: Shown) -> "LabelTable | None":
    if shown.sample is None:
        return None
    return next((v.table for v in shown.labels.values()), None)


def _open_labels(path: Path, where: Where, known: "LabelTable | None") -> "Volume":
    from srseg.io import open_volume
    from srseg.labels import DEFAULT_LABELS

    labels = open_volume(path, voxel_size=where.voxel_size, labels=True)
    if labels.table is None:
        labels.table = known or DEFAULT_LABELS
        classes = ", ".join(f"{c.value} {c.name}" for c in labels.table)
        note(f"{path}: says nothing of its classes, so they are taken to be {classes}")
    return labels
