"""``srseg report``."""

from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, SelectOption, choose_samples
from srseg.cli._output import counted, note, say, say_json, size

EXAMPLES = (
    "Examples: srseg report --out report.html; "
    "srseg report A --labels WF --labels srseg-wf/soft9 --against HQ --model wf.srseg --out A.html"
)


def report(
    samples: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAMPLE", help="Names of samples (default: all).",
                       show_default=False),
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
                     help="The label set that counts as true (default: HQ, of the samples that "
                     "have it)."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", show_default=False,
                     help="Its title (default: the sample's name, or the dataset's)."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", show_default=False,
                     help="Show the training of this model; repeat it for more (default: the "
                     "models of the predictions, where they lie in the dataset folder, beside it "
                     "or in the current folder)."),
    ] = None,
    max_size: Annotated[
        str, typer.Option(metavar="SIZE", help="How large the page may become; large scans are "
                          "shown in coarser voxels.")
    ] = "50MB",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a page that is there.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make one HTML page of a sample or a study, to look at, send and print.

    It needs no network: the viewer of the three cuts, pictures, tables and training curves are in
    it. Implant numbers are those that srseg quantify kept.
    """
    limit = _parse_size(max_size)
    _refuse(out, overwrite=overwrite)
    chosen = choose_samples(dataset, samples, select)
    from srseg.reports import write_report

    done = write_report(
        chosen, out, labels=labels or (), against=against, title=title, models=model or (),
        max_size=limit, overwrite=overwrite,
    )  # fmt: skip
    for text in done.notes:
        note(f"srseg: not on the page: {text}")
    if as_json:
        say_json(done.to_dict())
        return
    say(f"{out}: {counted(len(done.samples), 'sample')}, {size(done.size)}; open it in a browser")


def _parse_size(text: str) -> int:
    from srseg.errors import ParameterError
    from srseg.units import parse_size

    try:
        return parse_size(text, name="--max-size")
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None


def _refuse(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written, before hours of looking."""
    from srseg.cli._quantify_answer import refuse_files

    if path.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(
            f"{path} does not end in .html, and an HTML page is written", param_hint="--out"
        )
    refuse_files([path], overwrite=overwrite)
