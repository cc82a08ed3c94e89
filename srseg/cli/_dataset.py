"""``srseg dataset``."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._metadata import MetadataFile, read_metadata
from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    DryRunOption,
    JsonOption,
    SelectOption,
    VoxelSizeOption,
    choose_samples,
    not_empty,
    open_dataset,
    quantity,
)
from srseg.cli._output import lengths, note, say, say_json, say_pairs, say_table, voxels
from srseg.cli._root import PROBLEMS

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample

app = typer.Typer(
    no_args_is_help=True, help="Keep scans, metadata and label sets in one tidy folder."
)


@app.command("init", epilog="Example: srseg dataset init mgbone --name 'Mg screws in bone'")
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    name: Annotated[
        str | None, typer.Option(help="A title (default: the folder's name).", show_default=False)
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="TSV",
            help="The classes: a table with the columns index, name, and if you like "
            "abbreviation and color (default: background, bone, degradation layer, residual "
            "material).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty dataset."""
    from srseg.dataset import Dataset, find_dataset, read_label_table
    from srseg.errors import DatasetError, MissingFileError
    from srseg.labels import DEFAULT_LABELS

    try:
        outer = find_dataset(folder.absolute().parent)
    except MissingFileError:
        pass  # as it should be
    else:
        raise DatasetError(
            f"{folder} lies inside the dataset {outer}, and datasets do not nest; choose a folder "
            f"outside it, or add the scans to that one with: srseg dataset add FILE -d {outer}"
        )

    table = DEFAULT_LABELS if labels is None else read_label_table(labels)
    dataset = Dataset.create(folder, name=name, table=table)
    if as_json:
        say_json({"dataset": str(dataset.path), "labels": dataset.table.to_dicts()})
    else:
        say(f"made the dataset {folder}; its classes are {', '.join(table.names)}")


@app.command(
    "add", epilog="Example: srseg dataset add scan.h5 --sample A --alloy Mg-5Gd --energy 38keV"
)
def add(
    file: Annotated[Path, typer.Argument(help="A scan, or a folder of TIFF slices.")],
    sample: Annotated[
        str | None,
        typer.Option(help="Name of the sample (default: the file's).", show_default=False),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="The animal or person (default: a new one).", show_default=False),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    energy: Annotated[
        str | None, typer.Option(metavar="ENERGY", help="Photon energy with its unit: 38keV.")
    ] = None,
    alloy: Annotated[str | None, typer.Option(help="Material of the implant.")] = None,
    beamline: Annotated[str | None, typer.Option(help="Beamline, for example P05.")] = None,
    metadata: MetadataFile = None,
    dataset_path: DatasetPathOption = None,
    copy: Annotated[
        bool | None,
        typer.Option(
            "--copy/--by-reference",
            help="Bring the voxels into the dataset, or only note where the file is (default: "
            "copy up to 4 GB).",
            show_default=False,
        ),
    ] = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Register a scan: HDF5/NeXus, TIFF file or folder of slices, MHA, NRRD, NIfTI."""
    options = {"energy": energy, "alloy": alloy, "beamline": beamline}
    said = read_metadata(metadata, options)
    name, animal = not_empty(sample, "--sample"), not_empty(subject, "--subject")
    archive = open_dataset(dataset)
    plan = archive.plan_sample(
        file,
        name=said.sample if name is None else name,
        subject=said.subject if animal is None else animal,
        voxel_size=quantity(voxel_size, "um", "--voxel-size") or said.voxel_size,
        dataset_path=dataset_path,
        metadata=said.values,
        copy=copy,
    )
    answer = plan.to_dict()
    if not dry_run:
        answer["subject"] = archive.register(plan).subject
    if as_json:
        say_json({**answer, "dataset": str(archive.path), "dry_run": dry_run})
        return
    done = "would add" if dry_run else "added"
    how = "copied" if plan.copied else "by reference"
    subject_text = f"subject {answer['subject']}" if answer["subject"] else "a new subject"
    grid = plan.volume.grid
    say(
        f"{done} sample {plan.name} ({subject_text}): {voxels(grid.shape)} {plan.volume.dtype}, "
        f"voxel {lengths(grid.voxel_size)}, {how}"
    )
    for key, value in plan.metadata.items():
        say(f"  {key}: {value}{' (from the file)' if key in plan.harvested else ''}")


@app.command("label", epilog="Example: srseg dataset label labels.mha --sample A --set WF")
def label(
    file: Annotated[Path, typer.Argument(help="A label volume of integers.")],
    sample: Annotated[str, typer.Option(help="Name of the sample.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set: WF, HQ, …")
    ],
    voxel_size: VoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    manual: Annotated[
        bool | None,
        typer.Option(
            "--manual/--automatic", help="Whether they were drawn by hand.", show_default=False
        ),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="What they were made from, beside the scan.")
    ] = None,
    how: Annotated[str, typer.Option("--note", help="How they were made.")] = "",
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a label set to a sample; an earlier one of that name is kept as a revision."""
    size = quantity(voxel_size, "um", "--voxel-size")
    archive = open_dataset(dataset)
    plan = archive.plan_labels(
        file, sample=sample, label_set=label_set, voxel_size=size, dataset_path=dataset_path
    )
    if dry_run:
        plan.check_values()
    else:
        archive.register_labels(plan, manual=manual, sources=source or (), note=how)
    if as_json:
        say_json({**plan.to_dict(), "dataset": str(archive.path), "dry_run": dry_run})
        return
    done = "would add" if dry_run else "added"
    grid = plan.volume.grid
    say(
        f"{done} label set {label_set} to sample {sample} (revision {plan.revision}): "
        f"{voxels(grid.shape)}, voxel {lengths(grid.voxel_size)}"
    )


@app.command("list", epilog="Example: srseg dataset list --select has=WF --select alloy=Mg-10Gd")
def list_(
    select: SelectOption = None, dataset: DatasetOption = None, as_json: JsonOption = False
) -> None:
    """List the samples."""
    from srseg.errors import SRSegError

    archive = open_dataset(dataset)
    chosen = choose_samples(dataset, None, select) if len(archive) else archive
    rows = []
    for sample in chosen:
        try:
            rows.append(_summary(sample))
        except SRSegError as error:
            warnings.warn(f"sample {sample.name} is not listed: {error}", stacklevel=1)
    if as_json:
        say_json({"dataset": str(archive.path), "samples": rows})
        return
    if not len(archive):
        note(f"{archive.path} has no samples yet; add one with: srseg dataset add FILE")
        return
    say_table(
        ("sample", "subject", "voxels", "voxel size", "label sets", "alloy", "beamline", "scan"),
        (
            (
                row["sample"],
                row["subject"],
                voxels(row["shape"]),
                lengths(row["voxel_size_um"]),
                ", ".join(row["label_sets"]),
                row["metadata"].get("alloy"),
                row["metadata"].get("beamline"),
                "copied" if row["copied"] else "by reference",
            )
            for row in rows
        ),
    )


@app.command("show", epilog="Example: srseg dataset show A")
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
    facts = {**_summary(one), "scan": str(one.scan_file.path), "predictions": one.predictions}
    sets = {name: one.labels_info(name) for name in one.label_sets}
    if as_json:
        say_json({**facts, "dtype": one.scan_file.dtype, "labels": sets})
        return
    say_pairs(
        {
            "sample": one.name,
            "subject": one.subject,
            "scan": facts["scan"],
            "kept": "copied" if facts["copied"] else "by reference",
            "voxels": f"{voxels(facts['shape'])} {one.scan_file.dtype}",
            "voxel size": lengths(facts["voxel_size_um"]),
            **facts["metadata"],
            **{f"labels {name}": _labels_line(info) for name, info in sets.items()},
            **{f"prediction {i}": name for i, name in enumerate(one.predictions, 1)},
        }
    )


@app.command("check", epilog="Example: srseg dataset check --deep")
def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every voxel and compare checksums and values.")
    ] = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what is wrong; the exit code is 3 where something is."""
    archive = open_dataset(dataset)
    problems = archive.check(deep=deep)
    if as_json:
        say_json(
            {"dataset": str(archive.path), "problems": [problem.to_dict() for problem in problems]}
        )
    else:
        for problem in problems:
            say(str(problem))
        if not problems:
            say(f"{archive.path}: {len(archive)} samples, no problems")
    if problems:
        raise typer.Exit(PROBLEMS)


def _summary(sample: "DatasetSample") -> dict[str, Any]:
    file = sample.scan_file
    return {
        "sample": sample.name,
        "subject": sample.subject,
        "shape": list(file.grid.shape),
        "voxel_size_um": list(file.grid.voxel_size),
        "copied": file.copied,
        "label_sets": sample.label_sets,
        "metadata": dict(sample.metadata),
    }


def _labels_line(info: dict[str, Any]) -> str:
    written = info.get("Written", {})
    return (
        f"revision {info.get('Revision')}, {voxels(info['Grid']['shape'])}, voxel "
        f"{lengths(info['Grid']['voxel_size_um'])}, by {written.get('By')} at {written.get('At')}"
    )


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
