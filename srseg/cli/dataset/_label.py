"""``srseg dataset label``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    DryRunOption,
    JsonOption,
    VoxelSizeOption,
    open_dataset,
    quantity,
)
from srseg.cli._output import lengths, say, say_json, voxels
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
from srseg.cli.dataset._label_classes import say_classes
from srseg.cli.dataset._label_correction import Wanted, add_correction, refuse_other_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.dataset import LabelsPlan, Placement

EXAMPLE = "Example: srseg dataset label labels.mha --sample A --set WF"


def label(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A label volume of integers, or a stack of slices.")],
    sample: Annotated[str, typer.Option(help="Name of the sample.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set: WF, HQ, …")
    ],
    voxel_size: VoxelSizeOption = None,
    slices: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="The file is a stack of these slices, counted from 0 in the scan file, as for "
            "--roi (with another --voxel-size: in the sample at that size): 100,200,300 or "
            "100:200:10. All else is unlabelled.",
        ),
    ] = None,
    along: Annotated[
        Literal["z", "y", "x"], typer.Option(help="The axis that --slices are counted along.")
    ] = "z",
    box: Annotated[
        str | None,
        typer.Option(
            metavar="BOX",
            help="The file holds this box, in voxels of the scan file, as for --roi (with another "
            "--voxel-size: of the sample at that size): z0:z1,y0:y1,x0:x1.",
        ),
    ] = None,
    transform: Annotated[
        Path | None,
        typer.Option(
            help="How the labels are turned and shifted onto the scan: an ITK transform with the "
            "scan as the fixed image and the labels as the moving one (.tfm, .txt, .mat, .h5), or "
            "a JSON file that takes labels to the scan."
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Take --transform in the other direction.")
    ] = False,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="What a value of the file becomes, for example 255=1, 7=bone, 'Mineralised "
            "bone=bone' (by the file's own names) or 9=unlabelled; repeat it. 'names' maps every "
            "class of the file to the dataset's of the same name.",
        ),
    ] = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    axes: AxesOption = "zyx",
    follow_links: FollowLinksOption = False,
    shape: ShapeOption = None,
    dtype: DtypeOption = None,
    offset: OffsetOption = 0,
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
    from_correction: Annotated[
        bool,
        typer.Option(
            "--from-correction",
            help="The file comes back from srseg correct export: the places that were to be "
            "corrected become labelled, and what was changed elsewhere; all else stays as the "
            "label set has it. Give the folder for all of its files.",
        ),
    ] = False,
    correction: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="The same, where correction.json does not lie beside the file.",
        ),
    ] = None,
    looked_at: Annotated[
        list[str] | None,
        typer.Option(
            "--done",
            metavar="PLACE",
            show_default=False,
            help="Of a correction, only this place was looked at, as in 'z 120'; repeat it "
            "(default: all that lie in the file).",
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Of a correction, every voxel of the file was looked at."),
    ] = False,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a label set to a sample; an earlier one of that name is kept as a revision."""
    if from_correction or correction is not None:
        refuse_other_options(ctx)
        add_correction(
            open_dataset(dataset),
            file,
            Wanted(sample, label_set, correction, looked_at, whole, mapped, manual, source, how),
            dry_run=dry_run,
            as_json=as_json,
        )
        return
    for option, given in (("--done", looked_at), ("--whole", whole)):
        if given:
            raise typer.BadParameter("is for --from-correction", param_hint=option)
    size = quantity(voxel_size, "um", "--voxel-size")
    reading = how_to_read(
        dataset=dataset_path,
        axes=axes,
        follow_links=follow_links,
        shape=shape,
        dtype=dtype,
        offset=offset,
        voxel_size=override_voxel_size,
    )
    placement = _placement(slices, along, box, transform, inverse, mapped)
    archive = open_dataset(dataset)
    plan = archive.plan_labels(
        file,
        sample=sample,
        label_set=label_set,
        voxel_size=size,
        reading=reading,
        placement=placement,
    )
    counts: Mapping[int, int]
    if dry_run:
        counts = {v: n for v, n in enumerate(plan.check_values()) if n}
    else:
        archive.register_labels(plan, manual=manual, sources=source or (), note=how)
        counts = archive[sample].revisions(label_set)[-1].voxels
    if as_json:
        say_json(
            {
                **plan.to_dict(),
                "voxels": {str(v): n for v, n in counts.items()},
                "dataset": str(archive.path),
                "dry_run": dry_run,
            }
        )
        return
    done = "would add" if dry_run else "added"
    grid = plan.volume.grid
    say(
        f"{done} label set {label_set} to sample {sample} (revision {plan.revision}): "
        f"{voxels(grid.shape)}, voxel {lengths(grid.voxel_size)}"
    )
    _say_place(plan)
    say_classes(counts, archive.table)


def _placement(
    slices: str | None,
    along: Literal["z", "y", "x"],
    box: str | None,
    transform: Path | None,
    inverse: bool,
    mapped: list[str] | None,
) -> "Placement":
    from srseg.dataset import Placement, ValueMap, parse_slices
    from srseg.errors import ParameterError
    from srseg.io import read_transform

    if inverse and transform is None:
        raise typer.BadParameter("there is no --transform to invert", param_hint="--inverse")
    try:
        return Placement(
            slices=None if slices is None else parse_slices(slices),
            along=along,
            box=parse_box(box, "--box"),
            transform=None if transform is None else read_transform(transform, inverse=inverse),
            values=ValueMap.parse(mapped) if mapped else None,
        )
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None


def _say_place(plan: "LabelsPlan") -> None:
    facts = plan.facts
    if "Slices" in facts:
        numbers = facts["Slices"]
        shown = ", ".join(map(str, numbers[:12])) + (" …" if len(numbers) > 12 else "")
        say(f"  slices: {shown} along {facts['SlicesAlong']} ({len(numbers)})")
    if "Box" in facts:
        say(f"  box: {', '.join(f'{a} to {b}' for a, b in facts['Box'])} (z, y, x)")
    if "Transform" in facts:
        from srseg.volumes import RigidTransform

        moved = RigidTransform.from_dict(facts["Transform"])
        shift = ", ".join(f"{v:g}" for v in moved.translation)
        say(f"  transform: turned by {moved.angle:.3g}°, shifted by ({shift}) µm (z, y, x)")
    origin = ", ".join(f"{v:g}" for v in plan.volume.grid.origin)
    say(f"  first voxel at ({origin}) µm (z, y, x)")
    say(f"  {plan.inside:.0%} of them in the scan, of which they cover {plan.covered:.1%}")
    for theirs, ours in facts.get("ValueMap", {}).items():
        say(f"  value {theirs} becomes {ours}")
