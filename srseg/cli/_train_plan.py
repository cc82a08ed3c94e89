"""What ``srseg train`` is about to do, and what it did."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.cli._train_samples import Chosen
    from srseg.estimators import VolumeSegmenter
    from srseg.volumes import Sample


def plan_of(
    segmenter: Any, chosen: "Chosen", path: Path, checkpoint: Path | None
) -> dict[str, Any]:
    """Say what would be trained, and refuse what training would refuse later.

    Parameters
    ----------
    segmenter : estimator
        Not fitted.
    chosen : Chosen
        What it learns from.
    path : Path
        The model file.
    checkpoint : Path or None
        What training would go on from; None where it begins anew.

    Returns
    -------
    dict
        For JSON.
    """
    from srseg.estimators import VolumeSegmenter

    plan = {"model": str(path), "targets": chosen.targets, "samples": chosen.names}
    if isinstance(segmenter, VolumeSegmenter):
        return {**plan, **_network_plan(segmenter, chosen, checkpoint)}
    return {**plan, **_plugin_plan(segmenter, path, checkpoint)}


def _plugin_plan(segmenter: Any, path: Path, checkpoint: Path | None) -> dict[str, Any]:
    from srseg.errors import ParameterError
    from srseg.estimators import BaseSegmenter, segmenter_facts

    if not isinstance(segmenter, BaseSegmenter):
        raise ParameterError(
            f"{type(segmenter).__name__} is not made of srseg.estimators.BaseSegmenter, so that "
            f"{path} could not keep it; tell its author, and fit it in Python meanwhile"
        )
    segmenter.check()
    facts = segmenter_facts(segmenter)
    defaults = inspect.signature(type(segmenter)).parameters
    given = segmenter.get_params(deep=False)
    keeps = "checkpoint" in defaults
    return {
        **facts,
        "changed": {
            name: value
            for name, value in facts["settings"].items()
            if name != "random_state" and repr(given[name]) != repr(defaults[name].default)
        },
        "keeps_checkpoint": keeps,
        "goes_on": keeps and checkpoint is not None and checkpoint.exists(),
    }


def _network_plan(
    segmenter: "VolumeSegmenter", chosen: "Chosen", checkpoint: Path | None
) -> dict[str, Any]:
    from srseg.backbones import describe_backbone
    from srseg.errors import ParameterError
    from srseg.estimators import require_memory
    from srseg.inference import choose_device, choose_precision
    from srseg.training import get_recipe, iterations_done

    recipe = get_recipe(segmenter.recipe)
    done = None if checkpoint is None else iterations_done(checkpoint)
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
    _, held_out = segmenter.divide(chosen.samples)
    require_memory(segmenter, len(chosen.table))
    return {
        "segmenter": "unet",
        "backbone": segmenter.backbone,
        "parameters": info.parameters,
        "flops": info.flops,
        "stride": info.stride,
        "reach": info.reach,
        "max_iter": segmenter.max_iter or recipe.max_iter,
        "batch_size": segmenter.batch_size or recipe.batch_size,
        "input_size": segmenter.input_size,
        "loss_function": segmenter.loss or recipe.loss,
        "held_out": list(dict.fromkeys(sample.name for sample in held_out)),
        "judged_against": _judges(segmenter, held_out),
        "goes_on_from": done,
    }


def _judges(segmenter: "VolumeSegmenter", held_out: "Sequence[Sample]") -> list[str]:
    """Name the label sets of held-out samples, which are cleaned as those of the others are."""
    from srseg.preprocessing import LabelCleaning

    spared = LabelCleaning().spared
    return [
        f"cleaned {name}" if segmenter.clean_labels and name not in spared else name
        for name in dict.fromkeys(sample.target for sample in held_out)
    ]


def result_of(plan: dict[str, Any], segmenter: Any, seconds: float) -> dict[str, Any]:
    """Say what came out of it, and of this command how long it took."""
    found = {
        **plan,
        "seconds": round(seconds, 3),
        # not what a model was trained on that this one started from
        "training_samples": [
            name
            for name in plan["samples"]
            if name in segmenter.training_samples_ and name not in segmenter.validation_samples_
        ],
        "validation_samples": segmenter.validation_samples_,
    }
    if "backbone" not in plan:
        return found
    history = segmenter.history_.to_dict()  # NaN is None: JSON has no word for it
    last = history["records"][-1]
    kept = [r for r in history["records"] if r["iteration"] == history["best_iter"]]
    return {
        **found,
        "iterations": segmenter.n_iter_,
        "best_iteration": history["best_iter"],
        "loss": last["loss"],
        # of the weights that are kept, not of the last ones
        "validation_iou": (kept or [last])[-1].get("validation_iou"),
    }


def answer(result: dict[str, Any], as_json: bool) -> None:
    """Give the answer of the command."""
    if as_json:
        say_json(result)
        return
    if "dry_run" in result:
        going_on = result.get("goes_on_from") is not None or result.get("goes_on")
        begins = "; begins at the beginning" if result.get("keeps_checkpoint", True) else ""
        begins = "" if going_on else begins
        if result["discards_checkpoint"]:
            begins += f", and discards {result['model']}.checkpoint"
        say(summary(result, "would train") + begins)
        return
    say(summary(result, "trained"))
    if "backbone" not in result:
        say(f"in {result['seconds']:.3g} s")
        return
    loss = "none (no labelled pixel)" if result["loss"] is None else f"{result['loss']:.3f}"
    text = f"loss {loss} after {result['iterations']} iterations"
    if result["validation_iou"] is not None:
        held = ", ".join(result["validation_samples"])
        targets = " and ".join(result["judged_against"])
        text += (
            f"; IoU {result['validation_iou']:.3f} on {targets} of {held} "
            f"(iteration {result['best_iteration']}, which is kept)"
        )
    say(text)


def summary(plan: dict[str, Any], done: str) -> str:
    """Say in a line what is trained on what."""
    samples = plan.get("training_samples", plan["samples"])
    text = (
        f"{done} {plan['model']}: {_what(plan)}, on {' and '.join(plan['targets'])} of "
        f"{len(samples)} samples ({', '.join(samples)})"
    )
    if "seconds" in plan:
        return text
    if plan.get("held_out"):
        text += f", {', '.join(plan['held_out'])} of them held out"
    if "max_iter" in plan:
        text += (
            f"; at most {plan['max_iter']} iterations of {plan['batch_size']} patches of "
            f"{plan['input_size']} x {plan['input_size']}, loss {plan['loss_function']}"
        )
    if plan.get("goes_on_from") is not None:
        return f"{text}; goes on after {plan['goes_on_from']} iterations"
    if plan.get("goes_on"):
        return f"{text}; goes on from {plan['model']}.checkpoint"
    if not plan.get("keeps_checkpoint", True):
        return f"{text}; it keeps no checkpoint: what is stopped begins at the beginning"
    return text


def _what(plan: dict[str, Any]) -> str:
    if "backbone" in plan:
        return f"{plan['backbone']} with {plan['parameters'] / 1e6:.2f} M parameters"
    changed = ", ".join(
        "voxels of the scans" if (name, value) == ("voxel_size", None) else f"{name} {words(value)}"
        for name, value in plan["changed"].items()
    )
    return str(plan["segmenter"]) + (f" ({changed})" if changed else "")


def words(value: Any) -> str:
    """Give a parameter, as a model file would keep it, for reading.

    Parameters
    ----------
    value : object
        Plain data.

    Returns
    -------
    str
        A few words.
    """
    if isinstance(value, dict):
        if "segmenter" in value:  # one inside of another
            return str(value["segmenter"])
        return " ".join(words(inner) for inner in value.values())
    if isinstance(value, list):
        return ",".join(map(words, value))
    return str(value)
