"""``srseg dataset``: one file per command."""

import typer

from srseg.cli.dataset import (
    _add,
    _check,
    _diff,
    _export,
    _history,
    _init,
    _label,
    _list,
    _metadata,
    _region,
    _relocate,
    _restore,
    _show,
)

app = typer.Typer(
    no_args_is_help=True, help="Keep scans, metadata and label sets in one tidy folder."
)
app.command("init", epilog=_init.EXAMPLE)(_init.init)
app.command("add", epilog=_add.EXAMPLE)(_add.add)
app.command("label", epilog=_label.EXAMPLE)(_label.label)
app.command("history", epilog=_history.EXAMPLE)(_history.history)
app.command("diff", epilog=_diff.EXAMPLE)(_diff.diff)
app.command("restore", epilog=_restore.EXAMPLE)(_restore.restore)
app.command("list", epilog=_list.EXAMPLE)(_list.list_)
app.command("show", epilog=_show.EXAMPLE)(_show.show)
app.command("check", epilog=_check.EXAMPLE)(_check.check)
app.command("region", epilog=_region.EXAMPLE)(_region.region)
app.command("export", epilog=_export.EXAMPLE)(_export.export)
app.command("relocate", epilog=_relocate.EXAMPLE)(_relocate.relocate)
app.add_typer(_metadata.app, name="metadata")
