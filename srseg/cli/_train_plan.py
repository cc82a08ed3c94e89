"""What ``srseg train`` is about to do, and what it did."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import say, say_json

if TYPE_CHECKING:
    from srseg.cli._train_samples import Chosen
    from srseg.estimators import VolumeSegmenter


def plan_of(
    segmenter: "VolumeSegmenter", chosen: "Chosen", path: Path, done: int | None
) -> dict[str, Any]:
    """Say what would be trained, and refuse what training would refuse later."""
    from srseg.backbones import describe_backbone
    from srseg.errors import ParameterError
    from srseg.estimators import require_memory
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
    # a dry run refuses what training would refuse
    segmenter.divide(chosen.samples)
    require_memory(segmenter, len(chosen.table))
    return {
        "model": str(path),
        "backbone": segmenter.backbone,
        "targets": chosen.targets,
        "samples": chosen.names,
        "parameters": info.parameters,
        "flops": info.flops,
        "stride": info.stride,
        "reach": info.reach,
        "goes_on_from": done,
    }


def result_of(plan: dict[str, Any], segmenter: "VolumeSegmenter") -> dict[str, Any]:
    """Say what came out of it."""
    history = segmenter.history_.to_dict()  # NaN is None: JSON has no word for it
    last = history["records"][-1]
    kept = [r for r in history["records"] if r["iteration"] == history["best_iter"]]
    return {
        **plan,
        "iterations": segmenter.n_iter_,
        "best_iteration": history["best_iter"],
        "loss": last["loss"],
        # of the weights that are kept, not of the last ones
        "validation_iou": (kept or [last])[-1].get("validation_iou"),
        # not what a model was trained on that this one started from
        "training_samples": [
            name
            for name in plan["samples"]
            if name in segmenter.training_samples_ and name not in segmenter.validation_samples_
        ],
        "validation_samples": segmenter.validation_samples_,
    }


def answer(result: dict[str, Any], as_json: bool) -> None:
    """Give the answer of the command."""
    if as_json:
        say_json(result)
        return
    if "dry_run" in result:
        begins = "" if result["goes_on_from"] is not None else "; begins at the beginning"
        if result["discards_checkpoint"]:
            begins += f", and discards {result['model']}.checkpoint"
        say(summary(result, "would train") + begins)
        return
    say(summary(result, "trained"))
    loss = "none (no labelled pixel)" if result["loss"] is None else f"{result['loss']:.3f}"
    text = f"loss {loss} after {result['iterations']} iterations"
    if result["validation_iou"] is not None:
        held = ", ".join(result["validation_samples"])
        targets = " and ".join(result["targets"])
        text += (
            f"; IoU {result['validation_iou']:.3f} on {targets} of {held} "
            f"(iteration {result['best_iteration']}, which is kept)"
        )
    say(text)


def summary(plan: dict[str, Any], done: str) -> str:
    """Say in a line what is trained on what."""
    samples = plan.get("training_samples", plan["samples"])
    text = (
        f"{done} {plan['model']}: {plan['backbone']} with {plan['parameters'] / 1e6:.2f} M "
        f"parameters, on {' and '.join(plan['targets'])} of {len(samples)} samples "
        f"({', '.join(samples)})"
    )
    if plan["goes_on_from"] is not None and "loss" not in plan:
        text += f"; goes on after {plan['goes_on_from']} iterations"
    return text
