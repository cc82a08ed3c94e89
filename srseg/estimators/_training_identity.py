"""What a training is of: what must be the same for it to go on from a checkpoint."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from srseg._version import __version__
from srseg.estimators._identity import model_hash
from srseg.estimators._sample_facts import is_recorded, labels_facts, scan_facts, whole_of
from srseg.preprocessing import LabelCleaning
from srseg.training import Augmentation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.estimators._segmenter import VolumeSegmenter
    from srseg.labels import LabelTable
    from srseg.training import Recipe
    from srseg.volumes import Sample

# where and how comfortably it works; and what is said in other words
_LEFT_OUT = (
    "checkpoint", "checkpoint_every", "device", "runtime", "max_memory", "scratch",
    "precision", "labels", "validation", "start_from", "random_state", "voxel_size",
)  # fmt: skip


def training_identity(
    segmenter: VolumeSegmenter,
    recipe: Recipe,
    *,
    training: Sequence[Sample],
    weights: Sequence[float],
    held_out: Sequence[Sample],
    table: LabelTable,
    voxel_size: float | None,
    precision: str,
    seeds: Sequence[int],
    start: VolumeSegmenter | None,
) -> dict[str, Any]:
    """Say what a training depends on.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The parameters.
    recipe : Recipe
        What to train by.
    training : sequence of Sample
        The samples trained on.
    weights : sequence of float
        How often slices of each of them are drawn.
    held_out : sequence of Sample
        The samples that training is judged on.
    table : LabelTable
        The classes.
    voxel_size : float or None
        Edge length of the voxels, in µm.
    precision : str
        How the network computes.
    seeds : sequence of int
        Where the randomness comes from.
    start : VolumeSegmenter or None
        The model that is trained on.

    Returns
    -------
    dict
        Plain data, by names that people understand.
    """
    facts: dict[str, Any] = {"srseg": __version__}
    for name, value in segmenter.get_params(deep=False).items():
        if name not in _LEFT_OUT:
            facts[name] = _named(value)
    facts |= dataclasses.asdict(recipe)
    facts |= {
        "precision": precision,
        "voxel size": voxel_size,
        "seeds": [int(seed) for seed in seeds],
        "labels": table.to_dicts(),
        "start": None if start is None else model_hash(start, {}),
    }
    for sample, weight in zip(training, weights, strict=True):
        _add(facts, f"training sample {sample.name} ({sample.target})",
             {"weight": float(weight), **_sample_facts(sample, segmenter, voxel_size)})  # fmt: skip
    for sample in held_out:
        _add(facts, f"held-out sample {sample.name} ({sample.target})",
             _sample_facts(sample, segmenter, voxel_size))  # fmt: skip
    return facts


def training_circumstances(
    segmenter: VolumeSegmenter,
    samples: Sequence[Sample],
    voxel_size: float | None,
    device: torch.device,
    processes: int,
) -> dict[str, Any]:
    """Say what changes the last bits of a training, and nothing else.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The parameters.
    samples : sequence of Sample
        What is trained on and held out; working copies are rounded to 16 bits.
    voxel_size : float or None
        Edge length of the voxels, in µm.
    device : torch.device
        Where it runs.
    processes : int
        How many processes train together.

    Returns
    -------
    dict
        Plain data.
    """
    on_cpu = {"torch threads": torch.get_num_threads()} if device.type == "cpu" else {}
    return {
        "torch": torch.__version__,
        "device": device.type,
        "processes": processes,
        **on_cpu,
        **{
            f"what is read of {sample.name}": (
                "the scan"
                if whole_of(sample).prepared(voxel_size, segmenter.clip) is None
                else "its working copy"
            )
            for sample in samples
            if is_recorded(sample)
        },
    }


def _sample_facts(
    sample: Sample, segmenter: VolumeSegmenter, voxel_size: float | None
) -> dict[str, Any]:
    labels = sample.labels()
    kept = None if is_recorded(sample) else sample.prepared(voxel_size, segmenter.clip)
    return {
        "grid": sample.scan_grid.to_dict(),
        "scan": scan_facts(sample, kept),
        "labels": {"grid": labels.grid.to_dict(), **labels_facts(sample, labels)},
    }


def _add(facts: dict[str, Any], key: str, value: Any) -> None:
    """Keep a sample that was given twice twice."""
    number, free = 2, key
    while free in facts:
        free, number = f"{key}, again ({number})", number + 1
    facts[free] = value


def _named(value: Any) -> Any:
    if isinstance(value, (Augmentation, LabelCleaning)):
        return dataclasses.asdict(value)
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value
