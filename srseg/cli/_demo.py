"""``srseg demo``."""

from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import JsonOption
from srseg.cli._output import note, say, say_json

EXAMPLE = "Example: srseg demo --out demo"


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to make.")
    ] = Path("srseg-demo"),
    bone_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A mask of real bone (not 0) to put the implants "
                     "into (default: generated bone).", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Run a synthetic study from scan to score and implant numbers, in minutes, on a laptop."""
    from srseg.demo import Study, run_demo
    from srseg.reports import comparison_to_text

    study = Study()
    note(
        f"a synthetic study: {study.n_train} scans with WF labels to train on, {study.n_test} to "
        f"test on, {study.size}³ voxels each; some 2 to 5 minutes on 2 cores"
    )
    result = run_demo(out, bone_mask=bone_mask, study=study)
    if as_json:
        say_json(result.to_dict())
        return
    say(result.table.to_text())
    say(comparison_to_text(result.numbers))
    say(f"in {result.seconds['total']:.0f} seconds; look at {result.figure}")
    say(f"all of it on one page, to open in a browser: {result.report}")
    say(f"the dataset, to explore with srseg dataset list -d {out / 'dataset'}")
    say(f"the model: {out / 'model.srseg'}")
