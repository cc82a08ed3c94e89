"""``srseg compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SelectOption,
    choose_samples,
)
from srseg.cli._output import note
from srseg.cli._prediction_settings import parse_memory
from srseg.cli._training_options import (
    DeviceOption,
    MaxMemoryOption,
    ModelVoxelSizeOption,
    SeedOption,
    read_voxel_size,
)

if TYPE_CHECKING:
    from srseg.dataset import Dataset

EXAMPLE = (
    "Example: srseg compare unet random-forest watershed threshold --target WF --against HQ "
    "--set random-forest.n_estimators=50 --set unet.width=32 --out compare"
)

FORMATS = ("text", "csv", "json", "markdown")


def compare(
    methods: Annotated[
        list[str],
        typer.Argument(metavar="METHOD", show_default=False,
                       help="What is compared: names of segmenters (unet, and those of srseg "
                       "plugins list), of backbones, or model files, which are judged as they are. "
                       "LABEL=NAME gives one another name, so that it can stand here twice."),
    ],
    out: Annotated[
        Path, typer.Option(help="The folder where fits, scores and the table are kept; the same "
                           "command goes on with what is there.")
    ] = Path("compare"),
    target: Annotated[str, typer.Option(help="The label set to learn from.")] = "WF",
    against: Annotated[str, typer.Option(help="The label set that counts as true.")] = "HQ",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="METHOD.NAME=VALUE", help="A parameter of a method: "
                     "unet.width=32, random-forest.n_estimators=50; repeat it for others.",
                     show_default=False),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, help="Into how many folds the subjects are divided; one sample "
                          "alone is cut into slabs.")
    ] = 4,
    tests: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="SAMPLE", help="A sample to judge by, which nothing learns "
                     "from; repeat it (default: all that have --against, where that leaves enough "
                     "to learn from).", show_default=False),
    ] = None,
    planes: Annotated[
        int, typer.Option(help="Planes that are fused of methods that label slices: 1, 3 or 9.")
    ] = 3,
    voting: Annotated[str, typer.Option(help="How they are fused: soft or hard.")] = "soft",
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="About how long a fit may take, of methods with a number of "
                     "iterations (max_iter) that is not --set.", show_default=False),
    ] = None,
    distance: Annotated[
        float, typer.Option(min=1, metavar="UM", help="The distance to the implant within which "
                            "BV/TV is measured, in µm.")
    ] = 200.0,
    held_out: Annotated[
        str, typer.Option(metavar="SET|none", help="The label set that each model is scored with, "
                          "apart, on the samples that it was not trained on.")
    ] = "WF",
    voxel_size: ModelVoxelSizeOption = "5um",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    max_memory: MaxMemoryOption = None,
    table_format: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="Form of the table.")
    ] = "text",
    select: SelectOption = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Compare methods on the same folds: IoU by class, time, memory, implant numbers.

    Each method is fitted on each fold, and each of these models labels the same test samples. What
    is done is kept, and never done twice.

    Exit codes: 0 done; 1 something failed, be it one fit: the table has all others; 2 the command
    line is wrong; 75 stopped by SIGUSR1, to be started again; 130 Ctrl-C; 143 SIGTERM.
    """
    table_format = "json" if as_json else table_format
    if table_format not in FORMATS:
        raise typer.BadParameter(
            f"{table_format!r} is not one of {', '.join(FORMATS)}", param_hint="--format"
        )
    if planes not in (1, 3, 9):
        raise typer.BadParameter(f"{planes} is not 1, 3 or 9", param_hint="--planes")
    if voting not in ("soft", "hard"):
        raise typer.BadParameter(f"{voting!r} is not soft or hard", param_hint="--voting")
    common = {
        "voxel_size": read_voxel_size(voxel_size),
        "device": device,
        "random_state": seed,
        "max_memory": parse_memory(max_memory),
    }
    from srseg.cli._compare_methods import read_methods
    from srseg.cli._compare_run import answer_plan, run_comparison, warn_of_sizes
    from srseg.evaluation import plan_comparison

    contenders = read_methods(methods, settings or [], common)
    whole = choose_samples(dataset, None, select)
    learnt, judged = divide(whole, target, against, tests, folds)
    given = whole.select(name=judged) if judged else whole
    baselines = [
        name
        for name in dict.fromkeys((target,))
        if name != against and all(name in s.label_sets for s in given.select(has=against))
    ]
    plan = plan_comparison(
        contenders,
        whole.select(name=learnt).with_target(target) if learnt else whole.with_target(target),
        out,
        tests=list(whole.select(name=judged).with_target(against)) if judged else None,
        against=against,
        held_out=None if held_out == "none" else held_out,
        baselines=baselines,
        folds=folds,
        planes=planes,
        voting=voting,  # type: ignore[arg-type]
        distance=distance,
        minutes=minutes,
    )
    if dry_run:  # each fit says so otherwise
        warn_of_sizes(plan, whole.select(name=learnt) if learnt else whole)
        answer_plan(plan, as_json=as_json)
        return
    run_comparison(plan, table_format)


def divide(
    whole: "Dataset", target: str, against: str, tests: list[str] | None, folds: int
) -> tuple[list[str], list[str]]:
    """Divide samples into those to learn from and those to judge by.

    Parameters
    ----------
    whole : Dataset
        All samples that were chosen.
    target, against : str
        The label sets to learn from, and that count as true.
    tests : list of str, optional
        The samples to judge by, where they were named.
    folds : int
        How many subjects must be left to learn from.

    Returns
    -------
    learnt, judged : list of str
        Names of samples; none to judge by where each model is to be judged on its held-out fold.
    """
    from srseg.errors import DatasetError

    labelled = {s.name: s.subject for s in whole if target in s.label_sets}
    careful = {s.name: s.subject for s in whole if against in s.label_sets}
    if not labelled or not careful:
        lacking = target if not labelled else against
        there = sorted({name for sample in whole for name in sample.label_sets})
        what, option = ("learn from", "--target") if not labelled else ("judge by", "--against")
        raise DatasetError(
            f"no sample has the label set {lacking!r} to {what}; choose another {option} (there "
            f"are: {', '.join(there) or 'none'}), or add it with: srseg dataset label FILE "
            f"--sample {whole.names[0]} --set {lacking}"
        )
    if tests:
        unknown = [name for name in tests if name not in careful]
        if unknown:
            raise DatasetError(
                f"{', '.join(unknown)} cannot be judged by: no such sample with the label set "
                f"{against!r}; there are: {', '.join(careful)}"
            )
        careful = {name: careful[name] for name in tests}
    subjects = set(careful.values())
    rest = {name: subject for name, subject in labelled.items() if subject not in subjects}
    few = len(set(labelled.values())) < folds and len(rest) == 1  # which is cut into slabs
    if len(set(rest.values())) >= folds or few:
        kin = [name for name in labelled if name not in rest and name not in careful]
        if kin:
            note(f"not learned from, since they are of subjects that are judged: {', '.join(kin)}")
        return list(rest), list(careful)
    if tests:
        raise DatasetError(
            f"{folds} folds need samples with {target!r} of {folds} subjects besides those of "
            f"--test, found {len(set(rest.values()))}; name fewer tests, or use fewer --folds"
        )
    return list(labelled), []
