"""The small files of an export: descriptions, tables, sidecars. A valid BIDS dataset of its own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.dataset._create import BIDS_VERSION
from srseg.dataset._export.maps import saved_facts, saved_volume
from srseg.dataset._export.place import MARK, mark_of, samples_in
from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE, LABELS, Layout
from srseg.dataset._metadata.parse import to_sections
from srseg.dataset._sidecar import pixel_size
from srseg.dataset._tables import label_table_text, make_tables
from srseg.errors import FileFormatError, MissingFileError
from srseg.io import MAPS
from srseg.storage import locked, make_folder, read_json, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._export.plan import ExportFile, ExportPlan
    from srseg.dataset._sample import DatasetSample
    from srseg.volumes import Volume

_README = """\
{title}
{line}

Micro-tomography scans{labels}, exported by srseg {version} as {format}.

The folder follows BIDS microscopy: sub-*/micr holds the scans, each with a JSON file that gives
its voxel size (PixelSize: x, y, z), its grid in space and what is known of sample, acquisition and
reconstruction. samples.tsv and participants.tsv list the samples and the subjects.

{where}
"""

_INSIDE = {
    "ome-zarr": "Label sets lie inside the OME-Zarr of their scan, under labels/, with the names "
    "and colours\nof their classes.",
    "nexus": "Label sets are auxiliary signals of the NeXus file of their scan, on the grid of the "
    "scan. NeXus is\nno format of BIDS microscopy; .bidsignore says so to validators.",
}
_BESIDE = (
    "derivatives/labels holds the label sets and derivatives/srseg-* what models predicted; the\n"
    "dseg.tsv there names the classes and their colours. 255 is unlabelled."
)
_DERIVED = """\
{title}
{line}

Label volumes that belong to the scans in ../.., exported by srseg {version}. dseg.tsv names the
classes and their colours; 255 is unlabelled. BIDS has no rule for label volumes of microscopy yet;
.bidsignore says so to validators.
"""

# what a label sidecar says of the file in the dataset, and not of the labels
_OF_THE_FILE = (
    "SourceFile", "Source", "Stamp", "Grid", "PixelSize", "PixelSizeUnits", "Sources", "Saved",
)  # fmt: skip


def write_descriptions(plan: ExportPlan) -> None:
    """Write what makes the folder a dataset, and each derivative in it one."""
    out, title = plan.out, plan.dataset.title
    make_folder((out / MARK).parent)
    _write_if_new(out / MARK, mark_of(plan.dataset, plan.format))
    theirs = read_json(Layout(plan.dataset.path).description)
    # authors, license and the like are the study's own
    kept = {k: v for k, v in theirs.items() if k not in ("GeneratedBy", "DatasetType", "Name")}
    description = {
        **kept,
        "Name": title,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": _generated_by(),
    }
    _write_if_new(out / DESCRIPTION, description)
    inside = _INSIDE.get(plan.format.name, "")
    beside = any(not file.scan for file in plan.files)
    _write_if_new(
        out / "README",
        _README.format(
            title=title,
            line="=" * len(title),
            version=__version__,
            format=plan.format.name,
            labels=" and label sets" if any(file.labels for file in plan.files) else "",
            where="\n".join(text for text in (inside, _BESIDE if beside else "") if text),
        ).rstrip()
        + "\n",
    )
    if not plan.format.in_bids:
        _write_if_new(out / ".bidsignore", f"**/*{plan.format.suffix}\n**/*_XPCT.json\n")
    derivatives = {file.path.parts[1] for file in plan.files if not file.scan}
    for name in sorted(derivatives):
        _describe_derivative(plan, out / "derivatives" / name)


def _describe_derivative(plan: ExportPlan, folder: Path) -> None:
    made = "Label sets" if folder.name == LABELS else f"Predictions of {folder.name}"
    title = f"{made} of {plan.dataset.title}"
    make_folder(folder)
    _write_if_new(
        folder / DESCRIPTION,
        {
            "Name": title,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": _generated_by(),
            "DatasetLinks": {"raw": "../.."},
        },
    )
    text = _DERIVED.format(title=title, line="=" * len(title), version=__version__)
    _write_if_new(folder / "README", text)
    ends = ("dseg", *(one.suffix for one in MAPS.values()))
    _write_if_new(folder / ".bidsignore", "".join(f"*_{end}.*\n" for end in ends))
    _write_if_new(folder / LABEL_TABLE, label_table_text(plan.dataset.table))


def write_sidecar(plan: ExportPlan, file: ExportFile, sample: DatasetSample) -> None:
    """Write the JSON beside a file, where it is not there as it should be."""
    if file.saved:
        volume = saved_volume(sample, file.labels[0], file.saved)
    else:
        volume = sample.scan if file.scan else sample.labels(file.labels[0])
    said: dict[str, Any] = pixel_size(volume.grid)
    if file.scan:
        said |= _of_the_scan(sample, file, volume)
    else:
        said |= _of_the_labels(plan, file, sample)
    if file.saved:
        said = {**said, **saved_facts(file.saved, plan.dataset.table)}
    said["Grid"] = volume.grid.to_dict()
    lost = plan.format.lost(volume.grid)
    if lost:
        said["GridNote"] = lost
    name = file.path.name.partition(".")[0]
    _write_if_new(plan.out / file.path.with_name(f"{name}.json"), said)


def _of_the_scan(sample: DatasetSample, file: ExportFile, volume: Volume) -> dict[str, Any]:
    metadata = sample.metadata
    names = {"facility": "InstitutionName", "beamline": "StationName"}
    said: dict[str, Any] = {bids: metadata[key] for key, bids in names.items() if key in metadata}
    said |= to_sections(metadata)
    said["DataType"] = str(volume.dtype)
    if volume.normalised:
        said["Normalised"] = True
    if volume.field is not None:
        said["FieldOfView"] = volume.field.to_dict()
    if file.labels:
        said["LabelSets"] = {name: _about(sample.labels_info(name)) for name in file.labels}
    return said


def _of_the_labels(plan: ExportPlan, file: ExportFile, sample: DatasetSample) -> dict[str, Any]:
    info = sample.labels_info(file.labels[0])
    ours = f"bids::sub-{sample.subject}/"
    sources = [text for text in info.get("Sources", ()) if not str(text).startswith(ours)]
    scans = [f.path for f in plan.files if f.scan and f.sample == sample.name]
    raw = [f"bids:raw:{path.as_posix()}" for path in scans]
    # without the scan, and so without its sidecar, this is the place for what is known
    known = {} if raw else to_sections(sample.metadata)
    return {
        **_about(info),
        **({"Sources": raw + sources} if raw or sources else {}),
        **known,
    }


def _about(info: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in info.items() if key not in _OF_THE_FILE}


def write_tables(plan: ExportPlan) -> None:
    """Write the tables of the scans that are in the folder, also those of earlier exports.

    Without a scan there are none: BIDS compares them with the folders of the subjects.
    """
    tables = make_tables(Layout(plan.dataset.path))
    for message in tables.left_out:
        warnings.warn(message, stacklevel=3)
    with locked(plan.out / MARK, timeout=60):
        there = samples_in(plan.out, "sub-*/micr/*.json")
        if not there:
            return
        rows = {
            "sample_id": {f"sample-{key.name}" for key in there},
            "participant_id": {f"sub-{key.subject}" for key in there},
        }
        for name, text in tables.files.items():
            _write_if_new(plan.out / name, _only(text, rows) if name.endswith(".tsv") else text)


def _only(text: str, rows: Mapping[str, set[str]]) -> str:
    """Leave out the rows of a table that are of others; the first column says of whom."""
    head, *lines = text.splitlines()
    allowed = rows[head.split("\t", 1)[0]]
    return "\n".join([head, *(line for line in lines if line.split("\t", 1)[0] in allowed)]) + "\n"


def _generated_by() -> list[dict[str, str]]:
    return [{"Name": "srseg", "Version": __version__}]


def _write_if_new(path: Path, content: str | Mapping[str, Any]) -> None:
    try:
        if isinstance(content, str):
            if path.read_bytes() == content.encode():
                return
        elif read_json(path) == content:
            return
    except (FileNotFoundError, MissingFileError, FileFormatError):
        pass
    if isinstance(content, str):
        write_text(path, content, overwrite=True)
    else:
        write_json(path, content, overwrite=True)
