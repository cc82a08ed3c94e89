"""``srseg dataset metadata``: what is known of samples that are there, one by one or in a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    open_dataset,
)
from srseg.cli._output import counted, note, say, say_json, say_table

if TYPE_CHECKING:
    from srseg.dataset import Dataset, MetadataChanges

app = typer.Typer(
    no_args_is_help=True, help="Fill in what is known of samples: keys, values, units, a table."
)

Separator = Literal["comma", "semicolon", "tab"]


@app.command("schema", epilog="Example: srseg dataset metadata schema --json")
def schema(as_json: JsonOption = False) -> None:
    """List the keys with their units; with --json, give their JSON Schema."""
    from srseg.dataset import METADATA_KEYS, metadata_schema

    if as_json:
        say_json(metadata_schema())
        return
    say_table(
        ("key", "unit", "example", "meaning"),
        ((key.name, key.unit, key.example, key.description) for key in METADATA_KEYS.values()),
    )


@app.command("export", epilog="Example: srseg dataset metadata export beamtime.csv")
def export(
    file: Annotated[Path, typer.Argument(help="The table (CSV) to make.")],
    samples: SamplesArgument = None,
    select: SelectOption = None,
    separator: Annotated[
        Separator,
        typer.Option(
            help="What stands between cells; with semicolons, numbers have a decimal comma, as a "
            "European Excel expects it.",
        ),
    ] = "comma",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the metadata into a table with a row for each sample, to be filled in and imported."""
    from srseg.dataset import export_metadata

    chosen = choose_samples(dataset, samples, select)
    export_metadata(chosen, file, separator=separator, overwrite=overwrite)
    if as_json:
        say_json({"dataset": str(chosen.path), "file": str(file), "samples": chosen.names})
    else:
        say(f"wrote {file}: {counted(len(chosen), 'sample')}")
        say(f"fill it in, then: srseg dataset metadata import {file}")


@app.command("import", epilog="Example: srseg dataset metadata import beamtime.csv --dry-run")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A table (CSV) as 'export' makes it, with cells filled in.")
    ],
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take metadata from a table: an empty cell changes nothing, n/a takes a value away."""
    from srseg.dataset import plan_metadata_import

    archive = open_dataset(dataset)
    _carry_out(archive, plan_metadata_import(archive, file), dry_run, as_json)


@app.command("set", epilog="Example: srseg dataset metadata set A alloy=Mg-5Gd energy=38keV")
def set_(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE",
            help="New values with their units; n/a takes a value away. Keys of your own are "
            "written extra.KEY=VALUE.",
        ),
    ],
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change what is known of one sample."""
    from srseg.dataset import plan_metadata
    from srseg.errors import ParameterError

    given = _read_values(values)
    archive = open_dataset(dataset)
    try:
        plan = plan_metadata(archive, sample, given)
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    _carry_out(archive, plan, dry_run, as_json)


def _read_values(texts: list[str]) -> dict[str, Any]:
    from srseg.dataset import METADATA_KEYS

    known = {name for key in METADATA_KEYS.values() for name in (key.name, key.stem)}
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        own = key.removeprefix("extra.")
        into = found if own == key else extra
        if not (own and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not KEY=VALUE, for example alloy=Mg-5Gd; to take a value away: "
                "alloy=n/a"
            )
        if own in into:
            raise typer.BadParameter(f"{key} is given twice")
        gone = value.casefold() == "n/a"
        into[own] = None if gone else value if own in known else _typed(value)
    return {**found, "extra": extra} if extra else found


def _typed(text: str) -> Any:
    """Take a text for a number or for true or false, where it can be written in no other way."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) and json.dumps(value) == text else text


def _carry_out(archive: "Dataset", plan: "MetadataChanges", dry_run: bool, as_json: bool) -> None:
    from srseg.dataset import apply_metadata

    for message in plan.notes:
        note(f"note: {message}")
    if not dry_run:
        apply_metadata(archive, plan)
    if as_json:
        say_json({"dataset": str(archive.path), "dry_run": dry_run, **plan.to_dict()})
        return
    if not plan.changes:
        say("nothing changes")
        return
    say_table(
        ("sample", "key", "old", "new"),
        ((change.sample, change.key, change.old, change.new) for change in plan.changes),
    )
    samples = len({(change.subject, change.sample) for change in plan.changes})
    done = "would change" if dry_run else "changed"
    note(f"{done} {counted(len(plan.changes), 'value')} of {counted(samples, 'sample')}")
