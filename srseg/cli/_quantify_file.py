"""Measuring label files that are in no dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.cli._output import note
from srseg.cli._quantify_settings import QuantifySettings

if TYPE_CHECKING:
    from srseg.io import Reading
    from srseg.quantification import Measures


def name_among(path: Path | str, paths: list[Path]) -> str:
    """Name a file by its last part, or in full where several end so."""
    path = Path(path)
    return path.name if [p.name for p in paths].count(path.name) <= 1 else str(path)


def quantify_files(
    settings: QuantifySettings,
    paths: list[Path],
    voxel_size: float | None,
    reading: "Reading",
) -> "list[Measures]":
    """Measure label files; each is a label set of its name."""
    from srseg._version import __version__
    from srseg.io import open_volume
    from srseg.labels import DEFAULT_LABELS
    from srseg.quantification import Measures
    from srseg.storage import file_stamp

    records = []
    for path in paths:
        name = name_among(path, paths)
        labels = open_volume(path, reading, voxel_size=voxel_size, labels=True)
        if labels.table is None:
            classes = ", ".join(f"{c.value} {c.name}" for c in DEFAULT_LABELS)
            note(f"{path}: says nothing of its classes, so they are taken to be {classes}")
            labels.table = DEFAULT_LABELS
        settings.check(labels.table)
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
        records.append(Measures(found.entries, {**found.facts, **facts}))
    return records
