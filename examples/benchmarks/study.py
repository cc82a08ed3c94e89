"""What the benchmarks of prediction share: a scan of any size, and a network that knows it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from srseg import VolumeSegmenter
from srseg.phantoms import make_phantom
from srseg.preprocessing import prepare

LARGEST = 256  # edge of a phantom; larger volumes mirror it


def make_volume(path: Path, size: int) -> int:
    """Write a normalised cube of raw float32; give its number of voxels."""
    scan = make_phantom(1, (min(size, LARGEST),) * 3, voxel_size=5.0).scan
    grey = prepare(scan).read().astype(np.float32, copy=False)
    np.pad(grey, (0, size - len(grey)), "symmetric").tofile(path)
    return size**3


def train(folder: Path, network: dict[str, Any], iterations: int) -> VolumeSegmenter:
    """Train a network for a short while, so that its labels have borders; once in a folder."""
    name = "-".join(map(str, network.values())).replace("/", "+").replace(":", "+")
    path = folder / f"{name}-{iterations}.srseg"
    if not path.exists():
        phantom = make_phantom(0, (128, 128, 128), voxel_size=5.0)
        sizes = {} if iterations > 20 else {"input_size": 64, "batch_size": 2}
        segmenter = VolumeSegmenter(
            network["backbone"],
            width=network["width"],
            depth=network["depth"],
            max_iter=iterations,
            validation=None,
            random_state=0,
            **{"input_size": 128, "batch_size": 8, **sizes},
        )
        segmenter.fit([phantom.scan], [phantom.truth]).save(path)
    from srseg import load_model

    return load_model(path)


def save_weights(segmenter: VolumeSegmenter, path: Path) -> None:
    """Write the weights alone, which any program with torch reads."""
    torch.save(segmenter.network_.state_dict(), path)


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write what was measured, where a file was named."""
    if path is not None:
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
