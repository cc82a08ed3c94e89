"""``srseg dataset show``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import lengths, say_json, say_pairs, voxels
from srseg.cli.dataset._summary import summary

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample, ScanFile

EXAMPLE = "Example: srseg dataset show A"


def show(
    sample: Annotated[
        str | None, typer.Argument(help="A sample (default: the dataset itself).")
    ] = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a sample, or of the dataset."""
    archive = open_dataset(dataset)
    if sample is None:
        _show_dataset(archive, as_json)
        return
    one = archive[sample]
    facts = {**summary(one), "scan": str(one.scan_file.path)}
    sets = {name: one.labels_info(name) for name in one.label_sets}
    saved = {name: list(one.labels_info(name).get("Saved", {})) for name in one.predictions}
    kept = {name: one.measures(name) for name in (*sets, *saved)}
    measured = {name: len(found.entries) for name, found in kept.items() if found is not None}
    if as_json:
        say_json({**facts, "dtype": one.scan_file.dtype, "alignment": one.sidecar.get("Alignment"),
                  "labels": sets, "saved": saved, "measured": measured})  # fmt: skip
        return
    say_pairs(
        {
            "sample": one.name,
            "subject": one.subject,
            "scan": facts["scan"],
            "kept": "copied" if facts["copied"] else "by reference",
            "voxels": f"{voxels(facts['shape'])} {one.scan_file.dtype}",
            "voxel size": lengths(facts["voxel_size_um"]),
            **_part_lines(one.scan_file),
            **_alignment_line(one),
            **facts["metadata"],
            **{f"labels {name}": _labels_line(info) for name, info in sets.items()},
            **{
                f"prediction {i}": ", with ".join(part for part in (name, ", ".join(maps)) if part)
                for i, (name, maps) in enumerate(saved.items(), 1)
            },
            **({"measured": _measured_line(measured)} if measured else {}),
        }
    )


def _part_lines(file: "ScanFile") -> dict[str, str]:
    """Say which part of the file is the sample, and how the file is read."""
    lines = {}
    if file.roi is not None:
        box = ", ".join(f"{part.start} to {part.stop}" for part in file.roi)
        lines["region"] = f"voxels {box} of {voxels(file.grid.shape)} (z, y, x)"
    if file.field is not None:
        lines["field of view"] = f"a circle of radius {file.field.radius:g} µm"
    said = {k: v for k, v in file.reading.to_dict().items() if k != "dataset"}
    if file.reading.dataset is not None:
        lines["path in the file"] = file.reading.dataset
    if said:
        lines["read with"] = ", ".join(f"{k} {v}" for k, v in said.items())
    return lines


def _alignment_line(sample: "DatasetSample") -> dict[str, str]:
    alignment = sample.scan_file.alignment
    if alignment is None:
        return {}
    said = sample.sidecar["Alignment"]
    return {
        "alignment": f"{'' if said.get('To') == 'upright' else 'onto '}{said.get('To')}, turned by "
        f"{alignment.angle:.2f}°, by {said.get('By')} at {said.get('At')}"
    }


def _labels_line(info: dict[str, Any]) -> str:
    written = info.get("Written", {})
    return (
        f"revision {info.get('Revision')}, {voxels(info['Grid']['shape'])}, voxel "
        f"{lengths(info['Grid']['voxel_size_um'])}, by {written.get('By')} at {written.get('At')}"
    )


def _measured_line(measured: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count} numbers)" for name, count in measured.items())


def _show_dataset(archive: "Dataset", as_json: bool) -> None:
    samples = list(archive)
    sets = sorted({name for sample in samples for name in sample.label_sets})
    counts = {name: sum(name in sample.label_sets for sample in samples) for name in sets}
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "name": archive.title,
                "samples": archive.names,
                "label_sets": counts,
                "labels": archive.table.to_dicts(),
            }
        )
        return
    say_pairs(
        {
            "dataset": archive.path,
            "name": archive.title,
            "samples": len(archive),
            "subjects": len(set(archive.subjects)),
            "label sets": ", ".join(f"{name} ({n})" for name, n in counts.items()),
            "classes": ", ".join(f"{c.value} {c.name}" for c in archive.table),
        }
    )
