"""What is kept beside predicted labels: which model made them, with which settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from srseg._version import __version__
from srseg.inference import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.estimators._ensemble import MultiAxisEnsemble


def prediction_provenance(
    ensemble: MultiAxisEnsemble, model: str | Path, sha256: str, source: Mapping[str, Any]
) -> dict[str, Any]:
    """Say which model labelled which scan, with which settings and versions.

    Parameters
    ----------
    ensemble : MultiAxisEnsemble
        Fitted, around a frozen :class:`srseg.VolumeSegmenter`.
    model : path
        The model file; its name is kept.
    sha256 : str
        The checksum of that file.
    source : mapping
        What says which scan it was: plain data.

    Returns
    -------
    dict
        Plain data, to stand beside the labels and in files of them.
    """
    segmenter = ensemble.estimator_.estimator
    device = choose_device(segmenter.device)
    return {
        "software": "srseg",
        "version": __version__,
        "torch": str(torch.__version__),
        "model": Path(model).name,
        "model_sha256": sha256,
        "backbone": segmenter.backbone,
        "width": segmenter.width,
        "depth": segmenter.depth,
        "training_samples": segmenter.training_samples_,
        "validation_samples": segmenter.validation_samples_,
        "voxel_size_um": segmenter.voxel_size_,
        "clip_percentiles": list(segmenter.clip_),
        "planes": [plane.name for plane in ensemble.planes_],
        "voting": ensemble.voting,
        "device": device.type,
        "precision": choose_precision(segmenter.precision, device),
        "source": dict(source),
    }
