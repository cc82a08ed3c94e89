"""A study with exact truth on real trabecular bone: what the benchmarks of training share.

Simulated implants stand in masks of real bone and are imaged as at a beamline. The training samples
are of one beamline and of some of the bones; the held-out ones are of other bones, half of
them of a beamline that no training sample is of. Labels to learn from fail as those of the
semi-automatic workflow (WF) do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from srseg.phantoms import make_phantom
from srseg.volumes import ArraySample, Volume

VOXEL_SIZE = 5.0
SEEN, UNSEEN = "P05", "I13-2"
N_HELD_OUT_BONES = 2


@dataclass(frozen=True)
class BoneStudy:
    """Samples to learn from and held-out ones; both have the label sets WF and HQ (the truth)."""

    training: list[ArraySample]
    held_out: list[ArraySample]


def make_study(
    masks: Path, *, size: int = 128, n_training: int = 12, quality: float = 0.5
) -> BoneStudy:
    """Make the study; the same arguments give the same bytes."""
    files = sorted(masks.glob("*.tif"))
    if len(files) <= N_HELD_OUT_BONES:
        raise SystemExit(
            f"{masks}: found {len(files)} masks (*.tif, bone not 0), and at least "
            f"{N_HELD_OUT_BONES + 1} are needed, for example those of https://github.com/DIDSR/BoneJ_Headless"
        )
    bones = [tifffile.imread(file) for file in files]
    known, other = bones[:-N_HELD_OUT_BONES], bones[-N_HELD_OUT_BONES:]

    def sample(seed: int, bone: Any, beamline: str) -> ArraySample:
        phantom = make_phantom(
            seed,
            (size, size, size),
            voxel_size=VOXEL_SIZE,
            bone_mask=bone,
            beamline=beamline,
            alloy="Mg-5Gd" if seed % 3 else "Mg-10Gd",
            implant="pin" if seed % 4 == 3 else "screw",
            wf_quality=quality,
        )
        return phantom.sample(f"{beamline.replace('-', '')}n{seed}")

    training = [sample(i, known[i % len(known)], SEEN) for i in range(n_training)]
    held_out = [
        sample(100 + i, bone, beamline)
        for i, bone in enumerate(other)
        for beamline in (SEEN, UNSEEN)
    ]
    return BoneStudy(training, held_out)


def true_slices(samples: list[ArraySample], n: int, seed: int) -> list[ArraySample]:
    """Give some samples again with `n` slices in all labelled truly, and nothing else."""
    generator = np.random.default_rng([seed, n])
    chosen: dict[int, list[int]] = {}
    for number in range(n):
        which = number % len(samples)
        depth = samples[which].scan.shape[0]
        # the implant does not reach the ends
        chosen.setdefault(which, []).append(int(generator.integers(depth // 8, depth - depth // 8)))
    careful = []
    for which, slices in chosen.items():
        sample = samples[which]
        truth = sample.labels("HQ")
        labels = np.full(truth.shape, 255, np.uint8)
        labels[slices] = truth.read()[slices]
        volume = Volume(labels, truth.grid, table=truth.table)
        careful.append(
            ArraySample(
                sample.name, sample.scan, {"HQ": volume}, sample.subject, "HQ", sample.metadata
            )
        )
    return careful
