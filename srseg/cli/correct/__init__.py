"""``srseg correct``: one file per command."""

import typer

from srseg.cli.correct import _export, _list

app = typer.Typer(
    no_args_is_help=True,
    help="Tell where labels are most in doubt, and export these places to be corrected.",
)
app.command("list", epilog=_list.EXAMPLE)(_list.list_)
app.command("export", epilog=_export.EXAMPLE)(_export.export)
