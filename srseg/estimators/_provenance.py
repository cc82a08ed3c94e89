"""What is kept beside predicted labels: which model made them, with which settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from srseg._version import __version__
from srseg.estimators._ensemble import MultiAxisEnsemble
from srseg.estimators._origin import segmenter_facts
from srseg.estimators._predictors import unwrapped
from srseg.estimators._segmenter import VolumeSegmenter
from srseg.inference import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Mapping


def prediction_provenance(
    fused: Any, model: str | Path, sha256: str, source: Mapping[str, Any]
) -> dict[str, Any]:
    """Say which model labelled which scan, with which settings and versions.

    Parameters
    ----------
    fused : MultiAxisEnsemble or estimator
        What `fuse_planes` gave: fitted, around the model, or the model itself.
    model : path
        The model file; its name is kept.
    sha256 : str
        The checksum of that file.
    source : mapping
        What says which scan it was: plain data.

    Returns
    -------
    dict
        Plain data, to stand beside the labels and in files of them. Of a model that labels blocks
        of a volume ``planes`` is empty and ``voting`` None.
    """
    planes: list[str] = []
    voting = None
    segmenter = unwrapped(fused)
    if isinstance(segmenter, MultiAxisEnsemble):
        planes, voting = [plane.name for plane in segmenter.planes_], segmenter.voting
        segmenter = unwrapped(segmenter.estimator_)
    return {
        "software": "srseg",
        "version": __version__,
        "torch": str(torch.__version__),
        "model": Path(model).name,
        "model_sha256": sha256,
        **_of_model(segmenter),
        "training_samples": segmenter.training_samples_,
        "validation_samples": segmenter.validation_samples_,
        "voxel_size_um": segmenter.voxel_size_,
        "clip_percentiles": list(segmenter.clip_),
        "planes": planes,
        "voting": voting,
        **_of_machine(segmenter),
        "source": dict(source),
    }


def _of_model(segmenter: Any) -> dict[str, Any]:
    if isinstance(segmenter, VolumeSegmenter):
        return {name: getattr(segmenter, name) for name in ("backbone", "width", "depth")}
    return segmenter_facts(segmenter)


def _of_machine(segmenter: Any) -> dict[str, Any]:
    """Say where a network runs; where a plugin computes is its own affair."""
    if not isinstance(segmenter, VolumeSegmenter):
        return {}
    device = choose_device(segmenter.device)
    return {"device": device.type, "precision": choose_precision(segmenter.precision, device)}
