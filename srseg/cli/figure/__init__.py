"""``srseg figure``: one file per command."""

import typer

from srseg.cli.figure import _compare, _errors, _planes, _probabilities

app = typer.Typer(
    no_args_is_help=True,
    help="Draw scans, labels and probabilities as a paper shows them: PNG, SVG or PDF.",
)
app.command("planes", epilog=_planes.EXAMPLE)(_planes.planes)
app.command("probabilities", epilog=_probabilities.EXAMPLE)(_probabilities.probabilities)
app.command("compare", epilog=_compare.EXAMPLE)(_compare.compare)
app.command("errors", epilog=_errors.EXAMPLE)(_errors.errors)
