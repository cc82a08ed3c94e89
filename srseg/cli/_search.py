"""``srseg search``."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    is_number,
)
from srseg.cli._output import note
from srseg.cli._prediction_settings import parse_memory
from srseg.cli._segmenter_options import (
    NETWORK,
    SegmenterOption,
    chosen_segmenter,
    given_options,
    parameters_of,
    read_value,
    require_parameter,
)
from srseg.cli._training_options import (
    AugmentOption,
    BackboneOption,
    BatchSizeOption,
    CheckpointEveryOption,
    DeviceOption,
    LearningRateOption,
    MaxIterOption,
    MaxMemoryOption,
    ModelVoxelSizeOption,
    PrecisionOption,
    RecipeOption,
    ScratchOption,
    SeedOption,
    read_validation,
    read_voxel_size,
)

EXAMPLES = (
    "Examples: srseg search --width 32,64 --depth 3,4,5 --input-size 384,512 --folds 4 --out search"
    " --dry-run; srseg search --width 32,64 --depth 3,4 --out search --slurm partition=gpu "
    "--slurm gres=gpu:1 --slurm time=24:00:00 --slurm mem=64G --jobs 8"
)
_FOLD = "fold"
_CAREFUL = "HQ"


def search(
    context: typer.Context,
    samples: SamplesArgument = None,
    segmenter: SegmenterOption = NETWORK,
    width: Annotated[
        str, typer.Option(metavar="N,N,…", help="Channels of the first convolution to try.")
    ] = "32",
    depth: Annotated[
        str, typer.Option(metavar="N,N,…", help="Numbers of encoder blocks to try.")
    ] = "3",
    input_size: Annotated[
        str, typer.Option(metavar="N,N,…", help="Edges of the patches to try, in pixels.")
    ] = "384",
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", "--set", metavar="NAME=V,V,…",
                     help="Values of another parameter of the segmenter to try, or the one to "
                     "take: learning_rate=0.001,0.0003; repeat it for others.",
                     show_default=False),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, help="Into how many folds the subjects are divided; one sample "
                          "alone is cut into slabs.")
    ] = 4,
    out: Annotated[
        Path, typer.Option(help="The folder where fits, scores and results are kept; the same "
                           "command goes on with what is there.")
    ] = Path("search"),
    target: Annotated[
        str, typer.Option(help="The label set to learn from, and to score held-out samples with.")
    ] = "WF",
    halving: Annotated[
        bool, typer.Option("--halving", help="Successive halving: all candidates for few "
                           "iterations, the best third of them for three times as many, and so on.")
    ] = False,
    planes: Annotated[int, typer.Option(help="Planes that scores fuse: 1, 3 or 9.")] = 1,
    voting: Annotated[str, typer.Option(help="How they are fused: soft or hard.")] = "soft",
    backbone: BackboneOption = "unet",
    voxel_size: ModelVoxelSizeOption = "5um",
    recipe: RecipeOption = "fast",
    max_iter: MaxIterOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    validation: Annotated[
        str, typer.Option(metavar="auto|none|fold|N|SHARE", help="Subjects held out of training to "
                          "judge it: fold for those of the held-out fold, as in the paper; or as "
                          "for srseg train.")
    ] = "auto",
    augment: AugmentOption = True,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    max_memory: MaxMemoryOption = None,
    scratch: ScratchOption = None,
    checkpoint_every: CheckpointEveryOption = 10.0,
    jobs: Annotated[
        int, typer.Option(min=1, help="Fits at a time: processes on this machine, or SLURM jobs.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Train on the workers of a Dask cluster, each as many "
                     "fits at a time as it has threads: tcp://node01:8786.", show_default=False),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Train in jobs of SLURM: an option of sbatch, such "
                     "as partition=gpu, gres=gpu:1, cpus-per-task=8, mem=64G, time=24:00:00; "
                     "repeat it for others.", show_default=False),
    ] = None,
    skip_large: Annotated[
        bool, typer.Option("--skip-large", help="Leave out candidates that cannot work, instead "
                           "of refusing to begin.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Choose a model by cross-validation; what is done is kept, and never done twice.

    Of networks width, depth and input size are tried, of other segmenters what --set names.

    Exit codes: 0 done; 1 something failed, be it one fit: what there is of the others is ranked and
    kept; 2 the command line is wrong; 75 stopped by SIGUSR1, to be started again; 130 Ctrl-C; 143
    SIGTERM.
    """
    further = _further(grid or [])
    _require_said_once(context, further, halving=halving)
    if scheduler is not None and slurm:
        raise typer.BadParameter(
            "--scheduler names a cluster that is there, --slurm starts one; give one of them",
            param_hint="--slurm",
        )
    if planes not in (1, 3, 9):
        raise typer.BadParameter(f"{planes} is not 1, 3 or 9", param_hint="--planes")
    if voting not in ("soft", "hard"):
        raise typer.BadParameter(f"{voting!r} is not soft or hard", param_hint="--voting")
    size = read_voxel_size(voxel_size)
    from srseg.cli._search_place import place_of
    from srseg.cli._search_run import run_study
    from srseg.cli._search_study import Study
    from srseg.cli._train_samples import choose_labelled

    place = place_of(jobs, scheduler, slurm or [], out)
    whole = choose_samples(dataset, samples, select)
    chosen = choose_labelled(whole, [target], {}, named=bool(samples))
    _tell_of_hq(chosen.samples, target)
    given = {
        "backbone": backbone,
        "voxel_size": size,
        "recipe": recipe,
        "max_iter": max_iter,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "validation": "auto" if validation == _FOLD else read_validation(validation),
        "augment": augment,
        "precision": precision,
        "device": device,
        "random_state": seed,
        "max_memory": parse_memory(max_memory),
        "scratch": scratch,
        "checkpoint_every": checkpoint_every,
    }
    from srseg.evaluation import KeptFit, make_folds

    made = chosen_segmenter(context, segmenter, given, {})
    sizes = {"width": width, "depth": depth, "input_size": input_size}
    candidates = _candidates(context, made, sizes, further)
    _require_known(made, segmenter, candidates, halving=halving)
    divided = make_folds(chosen.samples, folds)
    if validation == _FOLD and len(chosen.samples) == 1:
        raise typer.BadParameter(
            "slabs of one scan are of one subject, which cannot judge its own training; use none",
            param_hint="--validation",
        )
    run_study(
        Study(
            kept=KeptFit(made, out.absolute(), planes=planes, voting=voting,  # type: ignore[arg-type]
                         judges=chosen.samples if validation == _FOLD else None),
            grid={f"estimator__{name}": values for name, values in candidates.items()},
            folds=divided,
            classes=len(chosen.table),
            dataset=whole.path,
            target=target,
            halving=halving,
            skip_large=skip_large,
        ),
        place,
        dry_run=dry_run,
        as_json=as_json,
    )  # fmt: skip


def _candidates(
    context: typer.Context, made: Any, sizes: dict[str, str], further: dict[str, list[Any]]
) -> dict[str, list[Any]]:
    """Give the values to try: of networks always those of the three sizes."""
    from srseg.estimators import VolumeSegmenter

    tried = {}
    for name, text in sizes.items():
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given or isinstance(made, VolumeSegmenter):
            tried[name] = _whole_numbers(text, f"--{name.replace('_', '-')}")
    return {**tried, **further}


def _require_known(
    made: Any, name: str, candidates: dict[str, list[Any]], *, halving: bool
) -> None:
    """Refuse what the segmenter has no parameter for, before anything runs."""
    from sklearn.base import clone

    from srseg.errors import ParameterError
    from srseg.estimators import VolumeSegmenter

    known = parameters_of(type(made))
    for wanted, values in candidates.items():
        require_parameter(name, known, wanted.partition("__")[0], "--grid")
        try:
            clone(made).set_params(**{wanted: values[0]})
        except ParameterError:
            raise
        except (ValueError, AttributeError) as error:
            raise typer.BadParameter(f"{wanted}: {error}", param_hint="--grid") from None
    rounds = isinstance(made, VolumeSegmenter) or made.get_params(deep=False).get("max_iter")
    if halving and not rounds:
        raise typer.BadParameter(
            f"raises the iterations of {name} from round to round; say how many they are in the "
            "last with --max-iter",
            param_hint="--halving",
        )


def _tell_of_hq(samples: list[Any], target: str) -> None:
    """Say which samples can no longer judge what is chosen here."""
    careful = [s.name for s in samples if target != _CAREFUL and _CAREFUL in s.label_sets]
    if careful:
        note(
            f"srseg: {', '.join(careful)} {'has' if len(careful) == 1 else 'have'} {_CAREFUL} "
            "labels too: models that learn from a sample cannot be judged by it; to keep them "
            "apart, name the samples to learn from"
        )


def _whole_numbers(text: str, option: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(is_number(part) and int(part) for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not a list of whole numbers, such as 32,64", param_hint=option
        )
    return list(dict.fromkeys(int(part) for part in parts))


def _further(texts: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not (name.isidentifier() and equals and values) or name in found:
            raise typer.BadParameter(
                f"{text!r} is not NAME=VALUE,VALUE, such as learning_rate=0.001,0.0003, or names "
                "a parameter again",
                param_hint="--grid",
            )
        # a comma inside of brackets is of a value that is a list
        parts = re.split(r",(?![^\[(]*[\])])", values)
        found[name] = [read_value(part) for part in parts]
    return found


def _require_said_once(context: typer.Context, further: dict[str, Any], *, halving: bool) -> None:
    """Refuse what --grid says of a parameter that another option says something of."""
    # an argument of the command may have the name of a parameter, which it says nothing of
    said = {parameter: option for option, parameter in given_options(context).items()}
    for name in further:
        if halving and name == "max_iter":
            raise typer.BadParameter(
                "--halving varies max_iter itself; give the most iterations with --max-iter",
                param_hint="--grid",
            )
        if name in said:
            raise typer.BadParameter(
                f"{name} is given with {said[name]} too; leave one of them out",
                param_hint="--grid",
            )
