"""The commands of ``srseg``, one line each."""

import os
import sys
from typing import Annotated

import typer

from srseg._version import __version__
from srseg.cli import (
    _align,
    _backbones,
    _calibrate,
    _compare,
    _demo,
    _doctor,
    _evaluate,
    _plugins,
    _predict,
    _preprocess,
    _quantify,
    _report,
    _search,
    _train,
    _treat,
    _view,
    correct,
    dataset,
    figure,
)
from srseg.cli._root import RootGroup, end_quietly

app = typer.Typer(
    name="srseg",
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dataset.app, name="dataset")
app.add_typer(_backbones.app, name="backbones")
app.add_typer(_plugins.app, name="plugins")
app.add_typer(figure.app, name="figure")
app.add_typer(correct.app, name="correct")
app.command("preprocess", epilog=_preprocess.EXAMPLE)(_preprocess.preprocess)
app.command("align", epilog=_align.EXAMPLE)(_align.align)
app.command("train", epilog=_train.EXAMPLE)(_train.train)
app.command("search", epilog=_search.EXAMPLES)(_search.search)
app.command("predict", epilog=_predict.EXAMPLE)(_predict.predict)
app.command("evaluate", epilog=_evaluate.EXAMPLE)(_evaluate.evaluate)
app.command("compare", epilog=_compare.EXAMPLE)(_compare.compare)
app.command("quantify", epilog=_quantify.EXAMPLES)(_quantify.quantify)
app.command("calibrate", epilog=_calibrate.EXAMPLE)(_calibrate.calibrate)
app.command("treat", epilog=_treat.EXAMPLE)(_treat.treat)
app.command("report", epilog=_report.EXAMPLES)(_report.report)
app.command("view", epilog=_view.EXAMPLE)(_view.view)
app.command("demo", epilog=_demo.EXAMPLE)(_demo.demo)
app.command("doctor", epilog=_doctor.EXAMPLE)(_doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"srseg {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error.")
    ] = False,
) -> None:
    """Label every voxel of large micro-tomography scans."""


def main() -> None:
    """Run the command line; the entry point of ``srseg``."""
    # Threads that wait for each other spin, by default for long: beside two other busy processes
    # on 2 cores a training step took 14 times as long, with this limit 6 times; alone, neither
    # changes anything (never to spin, OMP_WAIT_POLICY=PASSIVE, made it 3 to 5 times slower). Read
    # when torch loads
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app(prog_name="srseg")
    except SystemExit as end:
        sys.exit(end_quietly(end))
