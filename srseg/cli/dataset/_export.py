"""``srseg dataset export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
)
from srseg.cli._output import note, say, say_json, say_table, size

EXAMPLE = "Example: srseg dataset export ../for-fiji --format ome-tif A B --labels WF"


def export(
    out: Annotated[Path, typer.Argument(help="The folder to make, or an earlier export.")],
    format: Annotated[  # noqa: A002
        Literal["ome-zarr", "ome-tif", "nexus", "tif"],
        typer.Option(
            metavar="ome-zarr|ome-tif|nexus|tif",
            help="OME-Zarr with the labels inside, OME-TIFF, NeXus with the labels as auxiliary "
            "signals, or TIFF that ImageJ opens.",
        ),
    ],
    samples: SamplesArgument = None,
    select: SelectOption = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Label sets: all, none, or names with commas between, such as WF,HQ; a "
            "prediction is exported where it is named: srseg-wf/soft9.",
        ),
    ] = "all",
    scan: Annotated[
        bool, typer.Option("--scan/--no-scan", help="Whether the scans are exported.")
    ] = True,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files of which the source has changed since."),
    ] = False,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write scans and labels as OME-Zarr, OME-TIFF, NeXus or TIFF for others to read.

    The folder is a valid BIDS dataset of its own. What is there already is left alone, so that an
    export that was stopped goes on where it was.
    """
    from srseg.dataset import plan_export, write_export

    archive = choose_samples(dataset, samples, select)
    plan = plan_export(archive, out, format=format, labels=labels, scan=scan, overwrite=overwrite)
    if not dry_run:
        write_export(plan)
    for message in plan.left_out:
        note(f"left out: {message}")
    if as_json:
        say_json({**plan.to_dict(), "dry_run": dry_run})
        return
    states = {"new": "write" if dry_run else "written", "there": "there already",
              "replaced": "replace" if dry_run else "replaced"}  # fmt: skip
    say_table(
        ("file", "", "about"),
        ((str(file.path), states[file.state], size(file.n_bytes)) for file in plan.files),
    )
    done = "would write" if dry_run else "wrote"
    say(f"{done} {len(plan.pending)} files, about {size(plan.n_bytes)}, to {out}")
