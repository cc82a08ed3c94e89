"""``srseg dataset diff``."""

from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import lengths, say, say_json, say_table, voxels

EXAMPLE = "Example: srseg dataset diff A --set WF --against HQ"


def diff(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set.")
    ] = "WF",
    revision: Annotated[
        int | None,
        typer.Option(
            help="The revision to compare from (default: the newest with --against, else the one "
            "before).",
            min=1,
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Another label set, or a prediction, to compare with."),
    ] = None,
    against_revision: Annotated[
        int | None,
        typer.Option(
            help="The revision to compare with (default: the newest).", min=1, show_default=False
        ),
    ] = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two revisions of a label set, or between two label sets."""
    from srseg.dataset import diff_labels
    from srseg.errors import ParameterError

    archive = open_dataset(dataset)
    one = archive[sample]
    if against is None and revision is None:
        numbers = [r.number for r in one.revisions(label_set) if r.number != against_revision]
        last = numbers if against_revision else numbers[:-1]
        if not last:
            raise ParameterError(
                f"label set {label_set} of sample {sample} has one revision only; compare it with "
                "another label set: --against HQ"
            )
        revision = last[-1]
    other = against or label_set
    before = one.labels(label_set, revision=revision)
    after = one.labels(other, revision=against_revision)
    found = diff_labels(before, after, archive.table)
    names = [_named(label_set, revision), _named(other, against_revision)]
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "sample": sample,
                "before": {"set": label_set, "revision": revision},
                "after": {"set": other, "revision": against_revision},
                **found.to_dict(),
            }
        )
        return
    say(
        f"sample {sample}, from {names[0]} to {names[1]}: {found.n_changed} of "
        f"{found.n_labelled} labelled voxels differ ({found.share:.2%})"
    )
    if found.resampled:
        say(
            f"  the second lies on another grid ({voxels(after.shape)}, voxel "
            f"{lengths(after.grid.voxel_size)}); its nearest voxels were compared on the first's"
        )
    if found.box is not None:
        say(f"  within {', '.join(f'{p.start} to {p.stop}' for p in found.box)} (z, y, x)")
        say_table(
            ("from", "to", "voxels", "share"),
            ((a, b, n, f"{n / found.n_labelled:.3%}") for a, b, n in found.changes()),
        )
        most = ", ".join(f"{z} ({n})" for z, n in found.slices())
        say(f"slices with the most changes: {most}")
    say_table(
        ("class", "IoU"),
        ((name, "-" if v is None else f"{100 * v:.2f} %") for name, v in found.iou.items()),
    )


def _named(label_set: str, revision: int | None) -> str:
    return label_set if revision is None else f"{label_set} revision {revision}"
