"""``srseg-complete``: a few labelled slices become a label set of all of a scan."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, DryRunOption, JsonOption, open_dataset
from srseg.cli._output import say, say_json
from srseg.cli._root import RootGroup
from srseg.cli._training_options import read_voxel_size

EXAMPLE = "Example: srseg-complete A --labels slices --set walker"

app = typer.Typer(
    name="srseg-complete",
    cls=RootGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    # the one command is the root itself, which tells errors as srseg does
    context_settings={"allow_interspersed_args": True, "help_option_names": ["-h", "--help"]},
    subcommand_metavar="",
)


@app.callback(invoke_without_command=True, epilog=EXAMPLE)
def complete(
    ctx: typer.Context,  # noqa: ARG001 - the root command's
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    labels: Annotated[str, typer.Option(help="Label set that is spread; it stays as it is.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Label set that is made.")
    ] = "walker",
    beta: Annotated[float, typer.Option(help="How hard it is to cross an edge.")] = 100.0,
    sigma: Annotated[float, typer.Option(help="Smoothing before, in voxels; 0 for none.")] = 0.5,
    margin: Annotated[
        int,
        typer.Option(help="Voxels about each box of 64; more than a label is away at most."),
    ] = 16,
    voxel_size: Annotated[
        str,
        typer.Option(
            metavar="LENGTH|scan",
            help="Edge length of a voxel of the new labels; 'scan' takes the scan's own.",
        ),
    ] = "5um",
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Spread sparse labels of a sample to dense ones with random walkers, as a new label set."""
    from srseg.errors import ParameterError, UnknownNameError
    from srseg.io import write_volume
    from srseg_classical._walker import RandomWalkerSegmenter

    size = read_voxel_size(voxel_size)
    walker = RandomWalkerSegmenter(beta=beta, sigma=sigma, margin=margin, voxel_size=size)
    walker.check()
    archive = open_dataset(dataset)
    scan = archive.with_target(labels)[sample]
    if labels not in scan.label_sets:
        raise UnknownNameError(
            f"sample {sample} has no label set {labels!r}; it has "
            f"{', '.join(scan.label_sets) or 'none'}"
        )
    if label_set == labels:
        raise ParameterError(
            f"--set {label_set} is the label set that is spread; give the new one another name"
        )
    answer = {
        "sample": sample,
        "from": labels,
        "label_set": label_set,
        "dataset": str(archive.path),
        "dry_run": dry_run,
    }
    if not dry_run:
        completed = walker.complete(scan)
        how = f"random walker from {labels}: beta={beta:g}, sigma={sigma:g}, margin={margin}"
        with tempfile.TemporaryDirectory(prefix="srseg-complete-") as folder:
            file = Path(folder) / f"{sample}.h5"
            write_volume(file, completed)
            archive.add_labels(
                file,
                sample=sample,
                label_set=label_set,
                manual=False,
                sources=[f"label set {labels}"],
                note=how,
            )
        values = completed.read()
        answer["labelled"] = round(float((values != 255).mean()), 6)
    if as_json:
        say_json(answer)
    elif dry_run:
        say(f"would spread label set {labels} of sample {sample} and add it as {label_set}")
    else:
        say(
            f"added label set {label_set} to sample {sample}: {answer['labelled']:.1%} of all "
            f"voxels are labelled, spread from {labels}"
        )


def main() -> None:
    """Run the command; the entry point of ``srseg-complete``."""
    app(prog_name="srseg-complete")
