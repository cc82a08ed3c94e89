"""``srseg train``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
)
from srseg.cli._output import note
from srseg.cli._prediction_settings import parse_memory
from srseg.cli._segmenter_options import (
    NETWORK,
    SegmenterOption,
    SetOption,
    chosen_segmenter,
    parse_settings,
)
from srseg.cli._signals import stopping_on_interrupt
from srseg.cli._train_augmentation import parse_augmentation
from srseg.cli._train_file import model_file
from srseg.cli._train_log import training_logs
from srseg.cli._train_plan import answer, plan_of, result_of, summary
from srseg.cli._train_samples import choose_labelled, parse_weights
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

if TYPE_CHECKING:
    from srseg.estimators import VolumeSegmenter

EXAMPLE = (
    "Example: srseg train --target WF --select alloy=Mg-10Gd --width 64 --depth 5 "
    "--input-size 640 --out wf.srseg, or with a plugin: srseg train --segmenter random-forest "
    "--set n_estimators=50 --target WF --out forest.srseg"
)


def train(
    ctx: typer.Context,
    samples: SamplesArgument = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="The label set to learn from (default: WF); repeat it for "
                     "several.", show_default=False),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="SET=W", help="Draw slices with labels of this set W times as often, "
                     "for example HQ=5.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The model file (default: named by the target, as in wf.srseg).",
                     show_default=False),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="MODEL", help="Train this model on: its network, label "
                     "table, voxel size and normalisation are kept.", show_default=False),
    ] = None,
    segmenter: SegmenterOption = NETWORK,
    set_: SetOption = None,
    backbone: BackboneOption = "unet",
    width: Annotated[int, typer.Option(min=1, help="Channels of the first convolution.")] = 32,
    depth: Annotated[int, typer.Option(min=1, help="Number of encoder blocks.")] = 3,
    input_size: Annotated[
        int, typer.Option(min=1, help="Edge of the patches, in pixels.")
    ] = 384,
    voxel_size: ModelVoxelSizeOption = "5um",
    recipe: RecipeOption = "fast",
    max_iter: MaxIterOption = None,
    batch_size: BatchSizeOption = None,
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Divide a batch into so many parts, one after the other, where it "
                     "does not fit into memory.", show_default=False),
    ] = None,
    learning_rate: LearningRateOption = None,
    loss: Annotated[
        str | None,
        typer.Option(help="cross-entropy, cross-entropy+dice, boundary, generalized or symmetric "
                     "(default: the recipe's).", show_default=False),
    ] = None,
    label_smoothing: Annotated[
        float,
        typer.Option(help="Share of each label that is given to all classes, from 0 to below 1.",
                     show_default=False),
    ] = 0.0,
    draw: Annotated[
        Literal["uniform", "by class"],
        typer.Option(help="Draw patches anywhere, or about voxels of each class equally often."),
    ] = "uniform",
    ignore_boundary: Annotated[
        float,
        typer.Option(min=0, metavar="PIXELS", help="Learn nothing from pixels this near to another "
                     "label."),
    ] = 0.0,
    clean_labels: Annotated[
        bool,
        typer.Option("--clean-labels", help="Correct labels by the grey values of their scan "
                     "before they are learned: near boundaries, and cracks in the degradation "
                     "layer. HQ is left as it is."),
    ] = False,
    validation: Annotated[
        str, typer.Option(metavar="auto|none|N|SHARE", help="Subjects held out of training to "
                          "judge it: a number, a share, none, or auto (a fifth of four or more).")
    ] = "auto",
    augment: AugmentOption = True,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=AMOUNT", help="Vary patches in this too, or more or less: "
                     "cracks=0.3 draws cracks into 0.3 of them; gamma, blur, noise, rings, …",
                     show_default=False),
    ] = None,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    max_memory: MaxMemoryOption = None,
    scratch: ScratchOption = None,
    checkpoint_every: CheckpointEveryOption = 10.0,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew a training of which a part is done.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write curves for TensorBoard too.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing model file, when training has "
                           "reached its end: stopped before, that file stays, and the best so far "
                           "is kept in MODEL.stopped.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Train a network, or another segmenter, on the labelled scans of a dataset.

    What was stopped or killed goes on with the same command, from MODEL.checkpoint beside the
    model. How training goes stands in MODEL.train.csv and MODEL.train.png meanwhile. On several
    GPUs: accelerate launch -m srseg train …

    Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 75 stopped by SIGUSR1, to
    be started again; 130 Ctrl-C; 143 SIGTERM.
    """
    size = read_voxel_size(voxel_size)
    held_out = read_validation(validation)
    memory = parse_memory(max_memory)
    augmentation = parse_augmentation(augment, vary)
    targets = list(dict.fromkeys(target or ["WF"]))
    weights = parse_weights(weight, targets)
    path = out or Path(f"{'-'.join(targets).lower()}.srseg")
    file = model_file(path, overwrite=overwrite, restart=restart)
    checkpoint = file.checkpoint
    if start is not None and start.exists() and path.exists() and path.samefile(start):
        # stopped, it would have replaced what it begins with, and could not go on
        raise typer.BadParameter(
            f"{path} is the model that --from names; give another file", param_hint="--out"
        )
    chosen = choose_labelled(
        choose_samples(dataset, samples, select), targets, weights, named=bool(samples)
    )
    from srseg.estimators import VolumeSegmenter, goes_on_from, require_space
    from srseg.inference import choose_device
    from srseg.progress import Stopped
    from srseg.training import Checkpoint, find_processes, is_main, logging_to

    options = {
        "backbone": backbone,
        "width": width,
        "depth": depth,
        "input_size": input_size,
        "voxel_size": size,
        "recipe": recipe,
        "max_iter": max_iter,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "learning_rate": learning_rate,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "draw": draw,
        "ignore_boundary": ignore_boundary,
        "clean_labels": clean_labels,
        "validation": held_out,
        "augment": augmentation,
        "precision": precision,
        "device": device,
        "start_from": start,
        "checkpoint": checkpoint,
        "checkpoint_every": checkpoint_every,
        "max_memory": memory,
        "scratch": scratch,
        "random_state": seed,
    }
    made = chosen_segmenter(ctx, segmenter, options, parse_settings(set_))
    network = isinstance(made, VolumeSegmenter)
    if start is not None and network:
        _take_over(made, start, ctx)
    plan = plan_of(made, chosen, path, None if restart else checkpoint)
    main = is_main()
    if dry_run:
        if not restart and network:  # refuses what training would refuse
            goes_on_from(made, chosen.samples, sample_weight=chosen.weights)
        if main:
            require_space(made, chosen.samples)
            discards = restart and checkpoint.exists()
            answer({**plan, "dry_run": True, "discards_checkpoint": discards}, as_json)
        return
    logs, curve = training_logs(path, tensorboard)
    if restart:
        if main:
            with Checkpoint(checkpoint, {}).held():  # not that of a training that is running
                checkpoint.unlink(missing_ok=True)
        find_processes(choose_device(device)).wait()
    begun = time.perf_counter()
    with stopping_on_interrupt():
        try:
            # who reads that it begins may stop it at once
            if main and not as_json:
                note(summary(plan, "training"))
            with logging_to(*logs):
                made.fit(chosen.samples, sample_weight=chosen.weights)
        except Stopped:
            if main:
                file.keep_best(made)
                curve.finish()
            raise
    if main:
        curve.finish()  # before the model: without it, the same command goes on
        file.finish(made)
        answer(result_of(plan, made, time.perf_counter() - begun), as_json)


def _take_over(segmenter: "VolumeSegmenter", start: Path, ctx: typer.Context) -> None:
    """Let a segmenter be what the model is that it starts from, in all that was not given."""
    from srseg.estimators import VolumeSegmenter, load_model

    model = load_model(start)
    if not isinstance(model, VolumeSegmenter):
        raise typer.BadParameter(
            f"{start} holds a {type(model).__name__} and no network that could be trained on; "
            "leave --from out",
            param_hint="--from",
        )
    theirs = {
        **model.architecture_,
        "voxel_size": model.voxel_size_,
        "input_size": model.input_size,
    }
    for name, value in theirs.items():
        source = ctx.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            segmenter.set_params(**{name: value})
    segmenter.set_params(clip=model.clip_)
