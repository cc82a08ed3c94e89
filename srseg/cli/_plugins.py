"""``srseg plugins``."""

import difflib
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import JsonOption
from srseg.cli._output import counted, note, say, say_json, say_table
from srseg.cli._root import PROBLEMS
from srseg.cli._segmenter_options import parse_settings

if TYPE_CHECKING:
    from srseg.registry import Plugin

app = typer.Typer(
    no_args_is_help=True,
    help="What installed packages add: networks, segmenters, file formats, viewers.",
)

_KINDS = {"backbone": "backbone", "segmenter": "segmenter", "format": "file format",
          "viewer": "viewer"}  # fmt: skip


@app.command("list", epilog="Example: srseg plugins list --load")
def list_(
    load: Annotated[
        bool,
        typer.Option("--load", help="Load each one, to know whether that works; it runs their "
                     "code, which is not done otherwise."),
    ] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List what installed packages add to srseg, and what of it is broken.

    A name that two packages have is the first one's; the other is shown as shadowed.
    """
    from srseg.testing import list_plugins

    plugins = list_plugins(load=load)
    if as_json:
        say_json({"plugins": [_to_dict(plugin) for plugin in plugins]})
        return
    if not plugins:
        note("no package that is installed adds anything to srseg")
        return
    rows = [(p.name, p.kind, p.package, p.version, _said(p)) for p in plugins]
    say_table(("name", "kind", "package", "version", "state"), rows)


@app.command(
    "check",
    epilog="Example: srseg plugins check random-forest --set n_estimators=5",
)
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", show_default=False,
                       help="Names of plugins, or of what srseg has itself (default: every "
                       "plugin)."),
    ] = None,
    kind: Annotated[
        Literal["backbone", "segmenter", "format", "viewer"] | None,
        typer.Option(help="Only those of one kind.", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", show_default=False,
                     help="A parameter of the segmenter that is checked, such as one that makes it "
                     "quick; repeat it for more. A class may give its own: test_parameters."),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Check that plugins can be loaded and keep the contract of their kind.

    Segmenters are fitted on volumes of some 16 voxels along each axis, networks run on small
    slices. The exit code is 3 where a rule is broken, and the rest is checked all the same.
    """
    from srseg.progress import task
    from srseg.testing import check_plugin

    settings = parse_settings(set_)
    chosen = _chosen(names, None if kind is None else _KINDS[kind])
    if settings and [p.kind for p in chosen] != ["segmenter"]:
        raise typer.BadParameter(
            f"it is for one segmenter, and {counted(len(chosen), 'plugin')} would be checked; name "
            "one, and give --kind segmenter where a backbone has the same name",
            param_hint="--set",
        )
    checked = []
    with task("checking plugins", len(chosen)) as progress:
        for plugin in chosen:
            checked.append(check_plugin(plugin, settings))
            progress.advance(1, plugin.name)
    broken = [each for each in checked if each.problem]
    if as_json:
        answers = [
            {
                **{k: v for k, v in _to_dict(c.plugin).items() if k not in ("state", "reason")},
                "ok": not c.problem,
                "problem": c.problem or None,
                "seconds": round(c.seconds, 3),
            }
            for c in checked
        ]
        say_json({"plugins": answers, "broken": len(broken)})
    elif not checked:
        note("there is no plugin to check; srseg plugins check unet checks srseg's own")
    else:
        for each in checked:
            plugin = each.plugin
            said = f"breaks its contract: {each.problem}" if each.problem else "ok"
            owner = " ".join(filter(None, (plugin.package, plugin.version)))
            say(f"{plugin.kind} {plugin.name} ({owner}, {each.seconds:.1f} s): {said}")
        say(f"{len(checked) - len(broken)} of {counted(len(checked), 'plugin')} ok")
    if broken:
        raise typer.Exit(PROBLEMS)


def _chosen(names: list[str] | None, kind: str | None) -> "list[Plugin]":
    from srseg.errors import UnknownNameError
    from srseg.testing import list_plugins
    from srseg.testing._plugins import built_in, built_in_names

    kinds = [kind] if kind else list(_KINDS.values())
    plugins = [plugin for plugin in list_plugins() if plugin.kind in kinds]
    if not names:
        return plugins
    chosen = []
    for name in dict.fromkeys(names):
        found = [*built_in(name, kinds), *(plugin for plugin in plugins if plugin.name == name)]
        if not found:
            known = list(dict.fromkeys(plugin.name for plugin in plugins))
            close = difflib.get_close_matches(name, [*known, *built_in_names(kinds)], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise UnknownNameError(
                f"no {kind or 'plugin'} {name!r} is installed{hint} Installed: "
                f"{', '.join(known) or 'none'}. Look at: srseg plugins list"
            )
        chosen += found
    return chosen


def _said(plugin: "Plugin") -> str:
    return f"{plugin.state}: {plugin.reason}" if plugin.reason else plugin.state


def _to_dict(plugin: "Plugin") -> dict[str, str | None]:
    return {
        "name": plugin.name,
        "kind": plugin.kind,
        "package": plugin.package or None,
        "version": plugin.version or None,
        "entry_point": plugin.entry_point or None,
        "state": plugin.state,
        "reason": plugin.reason or None,
    }
