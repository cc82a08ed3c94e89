"""Measuring label files that are in no dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.cli._errors import words_of
from srseg.cli._output import note
from srseg.cli._quantify_answer import Row, tell_failure
from srseg.cli._quantify_settings import QuantifySettings

if TYPE_CHECKING:
    from srseg.io import Reading
    from srseg.quantification import Measures
    from srseg.volumes import Volume


def name_among(path: Path | str, paths: list[Path]) -> str:
    """Name a file by its last part, or in full where several end so."""
    path = Path(path)
    return path.name if [p.name for p in paths].count(path.name) <= 1 else str(path)


def quantify_files(
    settings: QuantifySettings,
    paths: list[Path],
    voxel_size: float | None,
    reading: "Reading",
    *,
    debug: bool,
) -> tuple[list[Row], "list[Measures]"]:
    """Measure label files; each is a label set of its name.

    All are opened before the first is measured. Of several, one that fails then does not stop the
    others, unless `debug` says so.
    """
    opened = [(path, _open(settings, path, voxel_size, reading)) for path in paths]
    rows: list[Row] = []
    records = []
    for path, labels in opened:
        row: Row = {"sample": "", "labels": name_among(path, paths), "status": "done"}
        try:
            records.append(_measure(settings, path, labels, row["labels"]))
        except Exception as error:
            if debug or len(paths) == 1:
                raise
            row |= {"status": "failed", "reason": words_of(error)}
            tell_failure(row)
        rows.append(row)
    return rows, records


def _open(
    settings: QuantifySettings, path: Path, voxel_size: float | None, reading: "Reading"
) -> "Volume":
    from srseg.io import open_volume
    from srseg.labels import DEFAULT_LABELS

    labels = open_volume(path, reading, voxel_size=voxel_size, labels=True)
    if labels.table is None:
        classes = ", ".join(f"{c.value} {c.name}" for c in DEFAULT_LABELS)
        note(f"{path}: says nothing of its classes, so they are taken to be {classes}")
        labels.table = DEFAULT_LABELS
    settings.check(labels.table)
    return labels


def _measure(settings: QuantifySettings, path: Path, labels: "Volume", name: str) -> "Measures":
    from srseg._version import __version__
    from srseg.quantification import Measures
    from srseg.storage import file_stamp

    found = settings.measure(labels, settings.initial, settings.days)
    facts = {
        "sample": "",
        "label_set": name,
        "labels_stamp": file_stamp(path).to_dict(),
        "request": settings.request(settings.initial, settings.days),
        "software": f"srseg {__version__}",
    }
    if settings.initial is not None:
        facts["initial_implant"] = settings.initial.source
    return Measures(found.entries, {**found.facts, **facts})
