"""``srseg quantify``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    SelectOption,
    VoxelSizeOption,
    choose_samples,
    is_file,
    quantity,
)
from srseg.cli._output import note
from srseg.cli._prediction_settings import parse_memory
from srseg.cli._quantify_answer import (
    FORMATS,
    answer,
    choose_format,
    compared,
    draw,
    note_what_is_unknown,
    refuse_files,
    refuse_no_folder,
    study_files,
    summary,
    tell,
    tell_failure,
    write_methods,
    write_study,
)
from srseg.cli._quantify_file import name_among, quantify_files
from srseg.cli._quantify_samples import QuantifyJob, quantify_samples
from srseg.cli._quantify_settings import (
    QuantifySettings,
    initial_implant,
    parse,
    parse_days,
    parse_distances,
    parse_neighbourhood,
)
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read
from srseg.cli._root import FAILED

if TYPE_CHECKING:
    from srseg.quantification import IntervalCalibration

EXAMPLES = (
    "Examples: srseg quantify --labels WF --labels srseg-wf/soft9 --against HQ --format latex; "
    "srseg quantify A --labels HQ --mesh screw.stl --days 56 --distance 100um --distance 250um; "
    "srseg quantify --labels srseg-wf --study study.csv --figures figures --methods methods.txt; "
    "or without a dataset: srseg quantify labels.h5 --initial-volume 9.6mm^3 "
    "--initial-surface 39.5mm^2 --days 56"
)


def quantify(
    ctx: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAMPLE|FILE", show_default=False,
                       help="Samples of the dataset (default: all), or label files."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", show_default=False,
                     help="A label set, or a prediction such as srseg-wf/soft9; repeat it for more "
                     "(default: every one that a sample has)."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="SET", show_default=False,
                     help="Compare with this label set, as in the paper's Table 3: samples that "
                     "have it, with relative differences."),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option("--measure", metavar="NAME|all", show_default=False,
                     help="Which numbers the table shows, such as layer_thickness or "
                     "'volume_*'; repeat it for more (default: all, with --against those of "
                     "Table 3). All are measured and kept."),
    ] = None,
    distance: Annotated[
        list[str] | None,
        typer.Option(metavar="LENGTH", show_default=False,
                     help="BV/TV within this distance of the implant, such as 100um; repeat it for "
                     "a profile (default: 50, 100, 200 and 500 µm)."),
    ] = None,
    neighbourhood: Annotated[
        int, typer.Option(metavar="6|18|26", help="Which neighbours of a voxel touch it: those at "
                          "its faces, edges or corners.")
    ] = 6,
    crack_width: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", show_default=False,
                     help="Up to which width a gap in the degradation layer is a crack."),
    ] = None,
    bone: Annotated[
        str, typer.Option(metavar="CLASS|none", help="Class of the bone: name, abbreviation or "
                          "value.")
    ] = "bone",
    layer: Annotated[
        str, typer.Option(metavar="CLASS|none", help="Class of the degradation layer.")
    ] = "degradation layer",
    residual: Annotated[
        str, typer.Option(metavar="CLASS", help="Class of the metal that is left.")
    ] = "residual material",
    reference_labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False,
                     help="Labels or a mask of the implant before implantation, for volume and "
                     "surface (default: initial_volume_mm3 and initial_surface_mm2 of a sample)."),
    ] = None,
    reference_voxel_size: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", show_default=False,
                     help="Edge length of its voxels, where it does not state it."),
    ] = None,
    mesh: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False,
                     help="STL mesh of the implant before implantation, instead."),
    ] = None,
    mesh_unit: Annotated[
        str, typer.Option(metavar="um|mm|cm|m|inch", help="What the mesh is in; STL does not say.")
    ] = "mm",
    initial_volume: Annotated[
        str | None,
        typer.Option(metavar="VOLUME", show_default=False,
                     help="Volume of the implant before implantation, such as 9.6mm^3."),
    ] = None,
    initial_surface: Annotated[
        str | None,
        typer.Option(metavar="AREA", show_default=False, help="Its surface, such as 39.5mm^2."),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(metavar="DAYS", show_default=False,
                     help="Days of implantation (default: implantation_days of a sample)."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False,
                     help="Give numbers of predictions their intervals with what srseg calibrate "
                     "wrote."),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    table_format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(FORMATS), show_default=False,
                     help="Form of the table (default: what --out ends in, else text)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table here.", show_default=False)
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", show_default=False,
                     help="Write every measure of every sample with its metadata in one table, and "
                     "statistics by alloy and implantation time beside it (_groups, _tests)."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default=False,
                     help="Draw BV/TV against distance; with --study each measure by group."),
    ] = None,
    methods: Annotated[
        Path | None,
        typer.Option(metavar="FILE|-", show_default=False,
                     help="Write a methods section from what was recorded; - prints it."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of --out, --study and --methods.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Measure again what is kept and up to date.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the numbers in the dataset, beside the "
                           "labels.")
    ] = True,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", show_default=False,
                     help="Memory that measuring may take, such as 6GB (default: what is free)."),
    ] = None,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Turn labels into implant numbers: degradation rate, contact, BV/TV, thickness, pits, cracks.

    What is kept of these labels with these options is not measured again, and what fails does not
    stop the rest. Numbers that are not known, such as the rate without the days, are left open and
    it is said why.
    """
    form = choose_format("json" if as_json else table_format, out)
    tables = None if study is None else study_files(study)
    printed = methods is not None and str(methods) == "-"
    if printed and form == "json" and out is None:
        raise typer.BadParameter(
            "would stand beside the JSON document on stdout; name a file", param_hint="--methods"
        )
    files = [path for path in (out, *(tables or ()), None if printed else methods) if path]
    refuse_files(files, overwrite=overwrite)
    if figures is not None:
        refuse_no_folder(figures)
    settings = QuantifySettings(
        bone=bone,
        layer=layer,
        residual=residual,
        distances=parse_distances(distance),
        neighbourhood=parse_neighbourhood(neighbourhood),
        crack_width=None if crack_width is None else parse(crack_width, "um", "--crack-width"),
        days=parse_days(days),
        max_memory=parse_memory(max_memory),
    )
    initial = initial_implant(
        labels=reference_labels,
        labels_voxel_size=quantity(reference_voxel_size, "um", "--reference-voxel-size"),
        mesh=mesh,
        mesh_unit=mesh_unit,
        volume=initial_volume,
        surface=initial_surface,
        settings=settings,
    )
    if initial is not None:
        settings = replace(settings, initial=initial)
        note(f"the implant before implantation: {initial.volume_mm3:.4g} mm³, "
             f"{initial.surface_mm2:.4g} mm² ({initial.source})")  # fmt: skip
    given = [Path(text) for text in what or [] if is_file(text, dataset)]
    debug = bool(ctx.find_root().params.get("debug"))
    more: dict[str, Any] = {}
    if given:
        _refuse_options_of_samples(
            what or [], given, {"--labels": labels, "--select": select, "--study": tables,
                                "--calibration": calibration},
        )  # fmt: skip
        reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
        size = quantity(voxel_size, "um", "--voxel-size")
        rows, records = quantify_files(settings, given, size, reading, debug=debug)
        against = None if against is None else name_among(against, given)
    else:
        of_files = {"--voxel-size": voxel_size, "--override-voxel-size": override_voxel_size,
                    "--dataset-path": dataset_path}  # fmt: skip
        for option, value in of_files.items():
            if value is not None:
                raise typer.BadParameter("is for label files", param_hint=option)
        chosen = choose_samples(dataset, what, select)
        settings.check(chosen.table)
        wanted = list(dict.fromkeys([*(labels or []), *([against] if labels and against else [])]))
        job = QuantifyJob(settings, save, again, _load_calibration(calibration))
        rows, records = quantify_samples(
            job, chosen, wanted, tell_failure if as_json else tell,
            needed=None if study else against, named=bool(what),
            debug=debug,
        )  # fmt: skip
        more["dataset"] = str(chosen.path)
        against = _full_name(against, records)
    table = compared(records, against, measures) if records else None
    answer(form, out, table, records, rows, more)
    if records:
        note_what_is_unknown(records)
        statistics = None if tables is None else write_study(tables, records)
        if figures is not None:
            draw(figures, records, statistics)
        if methods is not None:
            write_methods(None if printed else methods, records, statistics=tables is not None)
    sums = summary(rows)
    if len(rows) > 1:
        note(sums["summary"])
    if sums["counts"]["failed"]:
        raise typer.Exit(FAILED)


def _load_calibration(path: Path | None) -> "IntervalCalibration | None":
    if path is None:
        return None
    from srseg.quantification import IntervalCalibration

    return IntervalCalibration.load(path)


def _full_name(against: str | None, records: list[Any]) -> str | None:
    """Give the full name of a prediction that was named by its model."""
    there = dict.fromkeys(str(record.facts["label_set"]) for record in records)
    if against is None or against in there:
        return against
    fits = [name for name in there if name.partition("/")[0] == against]
    return fits[0] if len(fits) == 1 else against


def _refuse_options_of_samples(what: list[str], given: list[Path], options: dict[str, Any]) -> None:
    from srseg.errors import ParameterError

    if len(given) < len(what):
        raise ParameterError(
            f"{', '.join(what)}: label files or samples of a dataset, not both in one command"
        )
    for option, value in options.items():
        if value:
            raise typer.BadParameter("is for the samples of a dataset", param_hint=option)
