"""``srseg train``."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import note, say, say_json

if TYPE_CHECKING:
    from srseg.dataset import Dataset
    from srseg.estimators import VolumeSegmenter

EXAMPLE = (
    "Example: srseg train --target WF --select alloy=Mg-10Gd --width 64 --depth 5 "
    "--input-size 640 --out wf.srseg"
)


def train(
    samples: SamplesArgument = None,
    target: Annotated[str, typer.Option(help="The label set to learn from.")] = "WF",
    out: Annotated[
        Path | None,
        typer.Option(help="The model file (default: named by the target, as in wf.srseg).",
                     show_default=False),
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="The network; see: srseg backbones list.")
    ] = "unet",
    width: Annotated[int, typer.Option(min=1, help="Channels of the first convolution.")] = 32,
    depth: Annotated[int, typer.Option(min=1, help="Number of encoder blocks.")] = 3,
    input_size: Annotated[
        int, typer.Option(min=1, help="Edge of the patches, in pixels.")
    ] = 384,
    voxel_size: Annotated[
        str, typer.Option(metavar="LENGTH|scan", help="Voxel size of the model; 'scan' takes the "
                          "scans' own.")
    ] = "5um",
    recipe: Annotated[
        str, typer.Option(help="fast, or paper: the published schedule.")
    ] = "fast",
    max_iter: Annotated[
        int | None,
        typer.Option(min=1, help="Iterations (default: the recipe's).", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Patches a batch (default: the recipe's).", show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Adam's rate (default: the recipe's).", show_default=False),
    ] = None,
    validation: Annotated[
        str, typer.Option(metavar="auto|none|N|SHARE", help="Subjects held out of training to "
                          "judge it: a number, a share, none, or auto (a fifth of four or more).")
    ] = "auto",
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Vary patches as the paper does.")
    ] = True,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Makes training repeatable.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing model file.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Train a network on the labelled scans of a dataset."""
    size = None if voxel_size == "scan" else quantity(voxel_size, "um", "--voxel-size")
    held_out = _validation(validation)
    path = out or Path(f"{target.lower()}.srseg")
    _refuse_existing(path, overwrite)
    chosen = _labelled(choose_samples(dataset, samples, select), target, named=bool(samples))
    from srseg.estimators import VolumeSegmenter

    segmenter = VolumeSegmenter(
        backbone,
        width=width,
        depth=depth,
        input_size=input_size,
        voxel_size=size,
        recipe=recipe,
        max_iter=max_iter,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=held_out,
        augment=augment,
        precision=precision,  # type: ignore[arg-type]
        device=device,
        random_state=seed,
    )
    plan = _plan(segmenter, chosen, path)
    segmenter.divide(chosen)  # a dry run refuses what training would refuse
    if dry_run:
        _answer({**plan, "dry_run": True}, as_json, "would train")
        return
    if not as_json:
        note(_summary(plan, "training"))
    segmenter.fit(chosen)
    segmenter.save(path, overwrite=overwrite)
    last = segmenter.history_.records[-1]
    result = {
        **plan,
        "iterations": segmenter.n_iter_,
        "best_iteration": segmenter.history_.best_iter,
        "loss": last["loss"],
        "validation_iou": last.get("validation_iou"),
        "training_samples": segmenter.training_samples_,
        "validation_samples": segmenter.validation_samples_,
    }
    _answer(result, as_json, "trained")


def _answer(result: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        say_json(result)
        return
    say(_summary(result, done))
    if "loss" in result:
        text = f"loss {result['loss']:.3f} after {result['iterations']} iterations"
        if result["validation_iou"] is not None:
            held = ", ".join(result["validation_samples"])
            text += f"; IoU {result['validation_iou']:.3f} on {result['target']} of {held}"
        say(text)


def _plan(segmenter: "VolumeSegmenter", chosen: "Dataset", path: Path) -> dict[str, Any]:
    """Say what would be trained, and refuse what training would refuse later."""
    from srseg.backbones import describe_backbone
    from srseg.errors import ParameterError
    from srseg.inference import choose_device, choose_precision
    from srseg.training import get_recipe

    get_recipe(segmenter.recipe)
    choose_precision(segmenter.precision, choose_device(segmenter.device))
    info = describe_backbone(
        segmenter.backbone,
        n_classes=len(chosen.table),
        width=segmenter.width,
        depth=segmenter.depth,
        input_size=segmenter.input_size,
    )
    if segmenter.input_size % info.stride:
        lower = max(info.stride, segmenter.input_size // info.stride * info.stride)
        raise ParameterError(
            f"--input-size {segmenter.input_size} is no multiple of the network's stride, "
            f"{info.stride}; use {lower} or {lower + info.stride}"
        )
    return {
        "model": str(path),
        "backbone": segmenter.backbone,
        "target": chosen.target,
        "samples": chosen.names,
        "parameters": info.parameters,
        "flops": info.flops,
        "stride": info.stride,
        "reach": info.reach,
    }


def _summary(plan: dict[str, Any], done: str) -> str:
    samples = plan.get("training_samples", plan["samples"])
    return (
        f"{done} {plan['model']}: {plan['backbone']} with {plan['parameters'] / 1e6:.2f} M "
        f"parameters, on {plan['target']} of {len(samples)} samples ({', '.join(samples)})"
    )


def _labelled(chosen: "Dataset", target: str, *, named: bool) -> "Dataset":
    """Give the samples that have the target; samples that were named must have it."""
    from srseg.errors import DatasetError

    without = [sample.name for sample in chosen if target not in sample.label_sets]
    if len(without) == len(chosen) or (named and without):
        there = sorted({name for sample in chosen for name in sample.label_sets})
        raise DatasetError(
            f"no label set {target!r} for {', '.join(without)}; choose another --target (these "
            f"samples have: {', '.join(there) or 'none'}), or add it with: srseg dataset label "
            f"FILE --sample {without[0]} --set {target}"
        )
    if without:
        note(f"left out, because they have no label set {target!r}: {', '.join(without)}")
    return chosen.select(has=target).with_target(target)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    from srseg.errors import StorageError

    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if path.is_dir():
        raise StorageError(f"{path} is a folder; choose another --out")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise StorageError(f"{path}: the folder {path.parent} cannot be written to")


def _validation(text: str) -> Any:
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    if text.isdecimal():
        return int(text)
    with suppress(ValueError):
        if 0 < (share := float(text)) < 1:
            return share
    raise typer.BadParameter(
        f"{text!r} is not auto, none, a number of subjects such as 2 or a share such as 0.2",
        param_hint="--validation",
    )
