"""``srseg correct``: one file per command."""

import typer

from srseg.cli.correct import _export, _list

app = typer.Typer(
    no_args_is_help=True,
    help="Tell where an hour of manual correction buys most, and export it to be corrected.",
)
app.command("list", epilog=_list.EXAMPLE)(_list.list_)
app.command("export", epilog=_export.EXAMPLE)(_export.export)
