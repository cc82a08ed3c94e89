"""``srseg dataset add``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._metadata import MetadataFile, read_metadata
from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    DryRunOption,
    JsonOption,
    VoxelSizeOption,
    not_empty,
    open_dataset,
    quantity,
)
from srseg.cli._output import lengths, note, say, say_json, voxels
from srseg.cli._reading import (
    AxesOption,
    DtypeOption,
    FollowLinksOption,
    OffsetOption,
    OverrideVoxelSizeOption,
    ShapeOption,
    how_to_read,
    parse_box,
)
from srseg.cli._root import FAILED

if TYPE_CHECKING:
    from srseg.dataset import Dataset, SamplePlan

EXAMPLE = "Example: srseg dataset add scan.h5 --sample A --alloy Mg-5Gd --energy 38keV"


def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="A scan, or a folder of TIFF slices; or several of them."
        ),
    ],
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
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    axes: AxesOption = "zyx",
    follow_links: FollowLinksOption = False,
    shape: ShapeOption = None,
    dtype: DtypeOption = None,
    offset: OffsetOption = 0,
    roi: Annotated[
        str | None,
        typer.Option(
            metavar="BOX",
            help="The part of the file that is the sample, in voxels: z0:z1,y0:y1,x0:x1.",
        ),
    ] = None,
    find_field: Annotated[
        bool,
        typer.Option(
            "--field/--no-field",
            help="Look for the circle of the reconstruction, outside of which nothing counts; or "
            "take every voxel as seen.",
        ),
    ] = True,
    full_hash: Annotated[
        bool,
        typer.Option(
            "--hash",
            help="Read a file that stays where it is whole, for a checksum that check --deep "
            "compares.",
        ),
    ] = False,
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
    """Register scans: HDF5/NeXus, TIFF files or folders, MHA, NRRD, NIfTI, Amira, OME-Zarr, raw."""
    from srseg.errors import SRSegError

    options = {"energy": energy, "alloy": alloy, "beamline": beamline}
    said = read_metadata(metadata, options)
    name, animal = not_empty(sample, "--sample"), not_empty(subject, "--subject")
    name = said.sample if name is None else name
    if len(files) > 1 and name is not None:
        raise typer.BadParameter(
            f"one name for {len(files)} files; leave it out, and each is named after its file",
            param_hint="--sample",
        )
    arguments = {
        "name": name,
        "subject": said.subject if animal is None else animal,
        "voxel_size": quantity(voxel_size, "um", "--voxel-size") or said.voxel_size,
        "reading": how_to_read(
            dataset=dataset_path,
            axes=axes,
            follow_links=follow_links,
            shape=shape,
            dtype=dtype,
            offset=offset,
            voxel_size=override_voxel_size,
        ),
        "metadata": said.values,
        "copy": copy,
        "roi": parse_box(roi, "--roi"),
        "field": "auto" if find_field else None,
        "full_hash": full_hash,
    }
    archive = open_dataset(dataset)
    if len(files) == 1:
        answer = _add_one(archive, files[0], arguments, dry_run=dry_run, show=not as_json)
        if as_json:
            say_json({**answer, "dataset": str(archive.path), "dry_run": dry_run})
        return
    added: list[dict[str, Any]] = []
    failed = []
    for file in files:
        try:
            one = _add_one(archive, file, arguments, dry_run=dry_run, show=not as_json, taken=added)
            added.append(one)
        except SRSegError as error:
            # the other scans of the night are not to wait for this one
            message = str(getattr(error, "strerror", None) or error)
            failed.append({"source": str(file), "error": message})
            note(f"srseg: error: {message}")
    if as_json:
        say_json(
            {"samples": added, "failed": failed, "dataset": str(archive.path), "dry_run": dry_run}
        )
    else:
        done = "would add" if dry_run else "added"
        say(
            f"{done} {len(added)} of {len(files)} scans"
            + (f", {len(failed)} failed" * bool(failed))
        )
    if failed:
        raise typer.Exit(FAILED)


def _add_one(
    archive: "Dataset",
    file: Path,
    arguments: dict[str, Any],
    *,
    dry_run: bool,
    show: bool,
    taken: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    from srseg.errors import DatasetError

    plan = archive.plan_sample(file, **arguments)
    for other in taken:
        # without --dry-run the dataset has it already, and the plan was refused
        if other["sample"].casefold() == plan.name.casefold():
            raise DatasetError(
                f"{file} would get the name {plan.name}, and so would {other['source']}; add one "
                "of the two by itself, with another name (--sample)"
            )
    answer = plan.to_dict()
    if not dry_run:
        answer["subject"] = archive.register(plan).subject
    if show:
        _tell(plan, answer["subject"], dry_run=dry_run)
    return answer


def _tell(plan: "SamplePlan", subject: str | None, *, dry_run: bool) -> None:
    done = "would add" if dry_run else "added"
    how = "copied" if plan.copied else "by reference"
    subject_text = f"subject {subject}" if subject else "a new subject"
    whole = plan.volume.grid
    grid = whole if plan.roi is None else whole.cropped(plan.roi)
    say(
        f"{done} sample {plan.name} ({subject_text}): {voxels(grid.shape)} {plan.volume.dtype}, "
        f"voxel {lengths(grid.voxel_size)}, {how}"
    )
    if plan.reading.dataset is not None:
        say(f"  volume: {plan.reading.dataset} in {plan.source}")
    if plan.roi is not None:
        box = ", ".join(f"{part.start} to {part.stop}" for part in plan.roi)
        say(f"  region: voxels {box} (z, y, x) of {voxels(whole.shape)}")
    if plan.volume.field is not None:
        say(f"  field of view: a circle of radius {plan.volume.field.radius:g} µm (found)")
    for key, value in plan.metadata.items():
        say(f"  {key}: {value}{' (from the file)' if key in plan.harvested else ''}")
