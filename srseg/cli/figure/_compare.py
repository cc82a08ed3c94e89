"""``srseg figure compare``."""

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    VoxelSizeOption,
    quantity,
)
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read, parse_box
from srseg.cli.figure._inputs import Where, add_labels, open_shown
from srseg.cli.figure._options import (
    BoxOption,
    DpiOption,
    GridOption,
    LabelsOption,
    OutOption,
    OverwriteOption,
    SampleArgument,
    ScanOption,
    SliceOption,
    TitleOption,
    WidthOption,
    check_place,
    finish,
)

EXAMPLE = (
    "Example: srseg figure compare V1 --labels HQ --labels WF --labels srseg-wf/soft9 --slice "
    "rc:500 --slice cp:595 --box 480:620,300:420,250:400 --out figure5.pdf"
)


def compare(
    out: OutOption,
    sample: SampleArgument = None,
    scan: ScanOption = None,
    labels: LabelsOption = None,
    slices: SliceOption = None,
    boxes: BoxOption = None,
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
) -> None:
    """Show a scan and its label sets beside each other, as the paper's Fig. 5.

    Labels on another grid are brought onto the scan's. Only the slices are read.
    """
    inches = check_place(out, width, overwrite=overwrite)
    regions = [box for box in (parse_box(text, "--box") for text in boxes or []) if box]
    reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
    where = Where(sample, scan, dataset, reading, quantity(voxel_size, "um", "--voxel-size"))
    shown = open_shown(where)
    add_labels(shown, where, labels)
    from srseg.reports import labels_figure

    figure = labels_figure(
        shown.scan,
        shown.labels,
        slices=slices or ("rc", "cp"),
        boxes=regions,
        grid=shown.grid(grid),
        width=inches,
        title=title,
    )
    finish(figure, out, dpi, as_json=as_json, **shown.facts(), labels=list(shown.labels))
