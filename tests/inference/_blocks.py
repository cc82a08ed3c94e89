"""Labels a volume by block in a process of its own, which is watched or killed."""

import json
import os
import signal
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy import ndimage

from srseg.inference import BlockPredictor, PlanePrediction
from srseg.machine import peak_memory, resident_memory
from srseg.planes import standard_planes

REACH = 4


def smooth(block):
    """Three classes by blurred grey value, which needs 4 voxels around."""
    grey = ndimage.gaussian_filter(block, 1, mode="nearest", truncate=REACH)
    shares = np.stack([1 - grey, grey * grey, grey - grey * grey])
    return shares.astype(np.float32)


def prediction(shape, voxels, **options):
    blocks = BlockPredictor(smooth, 3, REACH, voxels)
    choices = [(standard_planes(1), "soft")]
    return PlanePrediction([blocks], shape, choices, n_classes=3, **options)


def digest(fused, shape):
    check = 0
    for z in range(0, shape[0], 16):
        box = (slice(z, min(z + 16, shape[0])), slice(0, shape[1]), slice(0, shape[2]))
        check = zlib.crc32(np.ascontiguousarray(fused.classes_in(box)), check)
    return check


def main():
    torch.set_num_threads(1)
    scan, scratch, voxels, room, boxes = sys.argv[1:]
    with h5py.File(scan, "r") as file:
        volume = file["data"]
        count = 0

        def read(box):
            nonlocal count
            count += 1
            if count > int(boxes):
                os.kill(os.getpid(), signal.SIGKILL)
            return volume[box]

        limit = resident_memory() + int(room)
        options = {"scratch": Path(scratch), "identity": {"scan": "A"}, "max_memory": limit}
        with peak_memory() as peak, prediction(volume.shape, int(voxels), **options) as work:
            planned = work.plan.memory
            fused = work.run(read)[0]
            found = digest(fused, volume.shape)
        answer = {"digest": found, "read": count, "peak": peak.n_bytes, "planned": planned}
        print(json.dumps({**answer, "limit": limit}))


if __name__ == "__main__":
    main()
