"""What a training is of: what must be the same for it to go on from a checkpoint."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.training import LabelledVolume
    from srseg.volumes import VoxelSource
    from srseg_fcn3d._segmenter import VNetSegmenter

_THICKNESS = 64  # slices that are read at a time


# of the machine, or said in other words
_LEFT_OUT = (
    "checkpoint", "checkpoint_every", "device", "max_memory", "scratch", "precision", "labels",
    "validation", "random_state", "overlap",
)  # fmt: skip


def training_identity(
    segmenter: VNetSegmenter,
    volumes: Sequence[LabelledVolume],
    held_out: Sequence[LabelledVolume],
    seeds: Sequence[int],
    precision: str,
) -> dict[str, Any]:
    """Say what a training depends on; volumes are told from others by what is in them.

    Parameters
    ----------
    segmenter : VNetSegmenter
        The parameters.
    volumes, held_out : sequence of LabelledVolume
        What is trained on and judged by, which is read once.
    seeds : sequence of int
        Where the randomness comes from.
    precision : str
        How the network computes.

    Returns
    -------
    dict
        Plain data, by names that people understand.
    """
    parameters = segmenter.get_params(deep=False)
    return {
        "segmenter": "vnet",
        **{name: value for name, value in parameters.items() if name not in _LEFT_OUT},
        "precision": precision,
        "labels": segmenter.label_table_.to_dicts(),
        "seeds": list(seeds),
        **_facts(volumes, "training volume"),
        **_facts(held_out, "held-out volume"),
    }


def _facts(volumes: Sequence[LabelledVolume], role: str) -> dict[str, Any]:
    return {
        f"{role} {number}, {volume.name}": {
            "shape": list(volume.image.shape),
            "weight": float(volume.weight),
            "scan": _checksum(volume.image),
            "labels": _checksum(volume.classes),
        }
        for number, volume in enumerate(volumes, 1)
    }


def _checksum(source: VoxelSource) -> int:
    found = 0
    for start in range(0, source.shape[0], _THICKNESS):
        slab = np.asarray(source[start : start + _THICKNESS, slice(None), slice(None)])
        found = zlib.crc32(np.ascontiguousarray(slab).data, found)
    return found
