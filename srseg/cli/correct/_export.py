"""``srseg correct export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import counted, say, say_json
from srseg.cli.correct._list import say_places
from srseg.cli.correct._places import (
    AxisOption,
    BoxesOption,
    BoxShapeOption,
    SlicesOption,
    named_places,
    note_corrected,
    suggest,
)

if TYPE_CHECKING:
    from srseg.volumes import Volume

EXAMPLE = (
    "Example: srseg correct export A --labels srseg-wf/soft9 --slices 5 --format slicer --out "
    "to-correct"
)

_MOST_BYTES = 1_000_000_000  # of a scan that is exported whole unasked
_MARGIN = 10  # voxels


def export(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    labels: Annotated[
        str,
        typer.Option(metavar="SET", help="What is to be corrected: a prediction, such as "
                     "srseg-wf/soft9, or a label set."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    form: Annotated[
        Literal["slicer", "napari", "tiff"],
        typer.Option("--format", help="For 3D Slicer (.seg.nrrd with the scan), or TIFF for "
                     "napari or any other program."),
    ] = "slicer",
    slices: SlicesOption = None,
    axis: AxisOption = "best",
    boxes: BoxesOption = 0,
    box_shape: BoxShapeOption = "64",
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", show_default=False,
                     help="A place that you chose: z:120, z:100,200 or z0:z1,y0:y1,x0:x1 in voxels "
                     "of the labels; repeat it. It needs no disagreement."),
    ] = None,
    part: Annotated[
        Literal["auto", "whole", "around"],
        typer.Option(help="Export the whole sample, or what lies around the places; auto: around "
                     "them where the scan has more than 1 GB."),
    ] = "auto",
    margin: Annotated[
        int, typer.Option(min=0, metavar="VOXELS", help="How much around the places.")
    ] = _MARGIN,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Export scan and labels to be corrected, with the places that are worth it.

    README.txt in the folder says what to look at. Bring it back with: srseg dataset label FILE
    --sample SAMPLE --set HQ --from-correction
    """
    if at and (slices or boxes):
        raise typer.BadParameter(
            "give places of your own, or let --slices and --boxes choose them", param_hint="--at"
        )
    from srseg.corrections import export_correction, read_correction

    archive = open_dataset(dataset)
    one = archive[sample]
    volume = one.labels(labels)
    if at:
        found = named_places(at, volume.shape)
    else:
        found = suggest(one, labels, slices, axis, boxes, box_shape)
    around = margin if _only_around(part, volume, one.scan.dtype.itemsize) else None
    path = export_correction(archive, sample, labels, found, out, form=form, around=around)
    record = read_correction(path)
    note_corrected(one, labels, found)
    if as_json:
        say_json({**record.to_dict(), "folder": str(out), "dataset": str(archive.path)})
        return
    say(f"exported {sample}, {record.label_set}: {counted(len(found), 'place')} to correct")
    if at:
        say("  " + "; ".join(place.name for place in found))
    else:
        say_places(found)
    say(f"files in {out}:")
    for piece in record.pieces:
        say(f"  {piece.labels} on {piece.scan}")
    say(
        "correct them, and bring them back with: srseg dataset label "
        f"{out / record.pieces[0].labels} --sample {sample} --set HQ --from-correction"
    )


def _only_around(part: str, labels: "Volume", n_bytes: int) -> bool:
    if part == "auto":
        return labels.grid.n_voxels * n_bytes > _MOST_BYTES
    return part == "around"
