"""How the documentation is built: ``sphinx-build -W docs docs/_build``; needs no network."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.util import logging

import srseg

project = "srseg"
author = "The srseg developers"
copyright = author
release = version = srseg.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "reference/generated/metadata.md"]
default_role = "py:obj"
smartquotes = False  # they would turn the two dashes of an option into one
html_theme = "furo"
html_title = f"srseg {release}"

myst_enable_extensions = ["dollarmath", "fieldlist"]
myst_heading_anchors = 3

numpydoc_show_class_members = False  # autodoc shows them
autodoc_typehints = "none"  # the docstrings say the types, with shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "inherited-members": True}
autosummary_generate = True


def _write_cli_reference(app: Any) -> None:
    """Let typer write a page of all commands from the commands themselves."""
    page = Path(app.srcdir, "reference", "generated", "cli.md")
    page.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "typer", "srseg.cli", "utils", "docs", "--name", "srseg"]
    command += ["--title", "Commands", "--output", str(page)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _write_metadata_table(app: Any) -> None:
    """Make the table of metadata from their schema."""
    keys = importlib.import_module("srseg.dataset").METADATA_KEYS.values()
    lines = ["| key | unit | meaning | example | usual | in |", "|---|---|---|---|---|---|"]
    for key in keys:
        usual = "one of " + ", ".join(key.choices) if key.choices else ""
        if key.usual is not None:
            usual = "{:g} to {:g}".format(*key.usual)
        cells = (f"`{key.name}`", key.unit, key.description, f"`{key.example}`", usual)
        lines.append(f"| {' | '.join(cells)} | {key.section} |")
    page = Path(app.srcdir, "reference", "generated", "metadata.md")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines) + "\n", "utf-8")


def _resolve_front_door(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link ``srseg.Dataset`` to where it is documented: ``srseg.dataset.Dataset``."""
    target = node.get("reftarget", "")
    name = target.removeprefix("srseg.")
    if node.get("refdomain") != "py" or name == target or name not in srseg._HOMES:
        return None
    domain, home = env.get_domain("py"), f"{srseg._HOMES[name]}.{name}"
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], home, node, content
    )


def _skip_foreign(
    _app: Any, _what: str, _name: str, thing: Any, _skip: bool, _options: Any
) -> bool | None:
    """Leave out what our classes inherit from other packages."""
    home = getattr(thing, "__objclass__", thing)
    checked = inspect.isroutine(thing) or home is not thing
    return True if checked and not str(home.__module__).startswith("srseg") else None


def _warn_of_missing(_app: Any, env: Any) -> None:
    """Warn of every public class and function that has no entry in the reference."""
    documented = env.get_domain("py").objects
    for room in [name for name in documented if documented[name].objtype == "module"]:
        module = importlib.import_module(room)
        for name in module.__all__:
            thing = getattr(module, name)
            needed = inspect.isclass(thing) or inspect.isfunction(thing)
            if needed and f"{room}.{name}" not in documented:
                logging.getLogger(__name__).warning("%s.%s is not documented", room, name)


def setup(app: Any) -> None:
    """Connect the hooks."""
    app.connect("builder-inited", _write_cli_reference, priority=100)
    app.connect("builder-inited", _write_metadata_table, priority=100)
    app.connect("missing-reference", _resolve_front_door)
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("env-check-consistency", _warn_of_missing)
