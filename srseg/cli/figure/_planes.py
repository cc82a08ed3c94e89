"""``srseg figure planes``."""

from typing import Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    VoxelSizeOption,
    is_number,
    quantity,
)
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read
from srseg.cli.figure._inputs import Where, add_labels, open_shown
from srseg.cli.figure._options import (
    DpiOption,
    GridOption,
    OutOption,
    OverwriteOption,
    SampleArgument,
    ScanOption,
    TitleOption,
    WidthOption,
    check_place,
    finish,
)

EXAMPLE = "Example: srseg figure planes V1 --planes 9 --labels HQ --slice rc:500 --out figure2.pdf"


def planes(
    out: OutOption,
    sample: SampleArgument = None,
    scan: ScanOption = None,
    wanted: Annotated[
        str, typer.Option("--planes", help="1, 3 or 9 planes, or names such as rc,cp@45p.")
    ] = "3",
    labels: Annotated[
        str | None,
        typer.Option(metavar="SET|NAME=FILE", show_default=False,
                     help="Lay the colours of these labels over the slices."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="PLANE[:NUMBER|:SHARE%]", show_default=False,
                     help="Which slice of a plane, such as rc:120 or rc@45c:25%; repeat it for "
                     "other planes (default: the middle ones)."),
    ] = None,
    grid: GridOption = "scan",
    width: WidthOption = "180mm",
    dpi: DpiOption = 300,
    title: TitleOption = "",
    voxel_size: VoxelSizeOption = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    overwrite: OverwriteOption = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show a sample with the planes along which it is sliced, as the paper's Fig. 2.

    Each plane as it lies in the volume, with an arrow where the next slice is, and the slice.
    """
    inches = check_place(out, width, overwrite=overwrite)
    reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
    where = Where(sample, scan, dataset, reading, quantity(voxel_size, "um", "--voxel-size"))
    shown = open_shown(where)
    if labels is not None:
        add_labels(shown, where, [labels])
    from srseg.errors import SRSegError
    from srseg.planes import resolve_planes
    from srseg.reports import planes_figure

    try:
        chosen = resolve_planes(int(wanted) if is_number(wanted) else wanted)
    except SRSegError as error:
        raise typer.BadParameter(f"{wanted!r}: {error}", param_hint="--planes") from None
    figure = planes_figure(
        shown.scan,
        next(iter(shown.labels.values()), None),
        planes=chosen,
        slices=slices or (),
        grid=shown.grid(grid),
        width=inches,
        title=title,
    )
    finish(figure, out, dpi, as_json=as_json, **shown.facts(), planes=[p.name for p in chosen])
