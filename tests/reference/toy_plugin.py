"""A plugin of segmenters as pip leaves one: a module, and the entry points of its distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MODULE = '''
"""Toys: the class whose mean grey value is nearest."""

import numpy as np

from srseg.errors import ParameterError
from srseg.estimators import BaseSegmenter
from srseg.progress import task


class Levels(BaseSegmenter):
    """By blocks of the volume."""

    reach = 2
    block_voxels = 30_000

    def __init__(self, sharpness=10.0, voxel_size=5.0, random_state=None, wait=0, notes=None):
        self.sharpness = sharpness
        self.notes = notes
        self.voxel_size = voxel_size
        self.random_state = random_state
        self.wait = wait

    def check(self):
        if not self.sharpness > 0:
            raise ParameterError(f"sharpness is greater than 0, found {self.sharpness!r}")

    def learn(self, volumes, rng):
        import time

        sums, counts = (np.zeros(len(self.label_table_)) for _ in range(2))
        with task("levels", self.wait) as progress:
            for _ in range(self.wait):
                time.sleep(0.1)
                progress.advance(1)
        for volume in volumes:
            image, classes = (np.asarray(a[:, :, :]) for a in (volume.image, volume.classes))
            for k in range(len(sums)):
                sums[k] += volume.weight * image[classes == k].sum()
                counts[k] += volume.weight * (classes == k).sum()
        self.means_ = sums / np.maximum(counts, 1)
        self.drawn_ = rng.random()

    def predict_block_proba(self, block):
        near = np.exp(-self.sharpness * abs(block - self.means_.reshape(-1, 1, 1, 1)))
        return (near / near.sum(0)).astype(np.float32)


class Slices(Levels):
    """By slices, in rounds as a network has them."""

    predict_block_proba = None
    stride = 4

    def __init__(
        self, max_iter=3, sharpness=10.0, voxel_size=5.0, device="auto", validation=None,
        checkpoint=None, random_state=None, wait=0, notes=None,
    ):
        self.max_iter = max_iter
        self.device = device
        self.validation = validation
        self.checkpoint = checkpoint
        super().__init__(sharpness, voxel_size, random_state, wait, notes)

    def learn(self, volumes, rng, held_out):
        super().learn(volumes, rng)
        self.n_iter_ = self.max_iter

    def predict_slices_proba(self, slices):
        return np.stack([Levels.predict_block_proba(self, s[None])[:, 0] for s in slices])
'''

_ENTRY_POINTS = """[srseg.segmenters]
levels = toy_segmenters:Levels
slices = toy_segmenters:Slices
gone = toy_segmenters_gone:Gone
"""


def install(folder: Path) -> Path:
    """Put the plugin into a folder, to be named on PYTHONPATH."""
    (folder / "toy_segmenters.py").write_text(_MODULE, "utf-8")
    info = folder / "toy_segmenters-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-segmenters\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder
