"""The speed of the augmentation, beside albumentations with the same transforms.

Both vary the same slices and labels in one thread each, taking turns: a crop of 85–100 % of the
area with an aspect of 3:4 to 4:3, a horizontal flip, a rotation by up to 90°, elastic deformation,
brightness and contrast; image bilinear, label nearest, outside 0 and 255. Seconds are those of the
processor, so that what else the machine does counts little. Prints a table in Markdown::

    python -m venv alb && alb/bin/pip install albumentations==2.0.8 'opencv-python-headless<4.12'
    python examples/benchmarks/augmentation.py --size 512 --albumentations alb/bin/python

srseg composes everything to one map, and reads image and label once. albumentations makes a pass
over the patch for each transform, and the elastic fields differ: srseg draws displacements at 5 x 5
control points and joins them with cubic weights; albumentations draws one for each pixel and blurs
them with a Gaussian (sigma), which takes most of its time. Here both have the same standard
deviation, about 6 of 512 pixels, and sigma is half the distance of the control points, so that the
fields are about equally smooth: displacements 64 pixels apart have a correlation of 0.67 and 0.55,
128 pixels apart of 0.15 and 0.17. At the edges albumentations' are several times larger than in
the middle (it repeats the noise of the outermost pixels). "Approximate" is its own short cut, a
kernel of 17 pixels: a field without any correlation over 64 pixels, another deformation.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import run_part
from study import write_json

from srseg.phantoms import make_phantom
from srseg.planes import Plane
from srseg.preprocessing import prepare
from srseg.training import Augmentation, LabelledVolume, PatchSampler

ROWS = {
    "all transforms": {},
    "without elastic deformation": {"elastic": 0.0},
    "all, elastic approximate": {"approximate": True},
}


def main() -> None:
    """Take turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="edge of a patch, in pixels")
    parser.add_argument("--patches", type=int, default=40, help="of each row, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--albumentations", type=Path, metavar="PYTHON",
                        help="of an environment that has it (default: srseg alone)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    image, classes = make_slices(options.size)
    displacement = displaced(options.size)
    rates: dict[str, dict[str, list[float]]] = {name: {} for name in ROWS}
    version = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "image.npy", image)
        np.save(folder / "classes.npy", classes)
        for number in range(options.rounds):
            for row, changes in ROWS.items():
                if "approximate" not in changes:
                    seconds = vary(image, classes, options.patches, number, changes)
                    rates[row].setdefault("srseg", []).append(options.patches / seconds)
                if options.albumentations:
                    job = {"folder": name, "patches": options.patches, "seed": number,
                           "displacement": displacement, **changes}  # fmt: skip
                    answer = run_part(options.albumentations, "augment_albumentations.py", job)
                    version = answer["version"]
                    found = rates[row].setdefault("albumentations", [])
                    found.append(options.patches / answer["seconds"])
    show(rates, options, version)
    write_json(
        options.json, {"size": options.size, "albumentations": version, "patches_per_s": rates}
    )


def make_slices(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make eight slices of a phantom, mirrored to the size, with their labels."""
    phantom = make_phantom(0, (128, 128, 128), voxel_size=5.0)
    volumes = prepare(phantom.scan).read(), phantom.truth.read()
    reach = [(0, 0), *[(0, max(0, size - 128))] * 2]
    image, classes = (np.pad(v[40:96:7], reach, "symmetric")[:, :size, :size] for v in volumes)
    return image.astype(np.float32), classes.astype(np.uint8)


def displaced(size: int) -> float:
    """Tell the standard deviation of the elastic displacement, in pixels."""
    elastic, plain = Augmentation((1, 1), (1, 1), flip=0.0, rotation=0.0), Augmentation.none()
    generator = np.random.default_rng(0)
    at = plain.offsets(size, size, generator)
    return float(np.std([elastic.offsets(size, size, generator) - at for _ in range(30)]))


def vary(
    image: np.ndarray, classes: np.ndarray, n: int, number: int, changes: dict[str, Any]
) -> float:
    """Draw patches from the slices; give the seconds of the processor."""
    augmentation = Augmentation(**{"elastic": 0.015, **changes})
    volume = LabelledVolume(image, classes)
    sampler = PatchSampler([volume], [Plane(0)], image.shape[1], augmentation, seed=number)
    sampler.draw(0, range(8))
    began = time.process_time()
    for first in range(0, n, 8):
        sampler.draw(1, range(first, min(n, first + 8)))
    return time.process_time() - began


def show(
    rates: dict[str, dict[str, list[float]]], options: argparse.Namespace, version: str | None
) -> None:
    """Print the table."""
    of = "" if version is None else f", albumentations {version}"
    print(f"{options.size}² patches a second of one core{of}; median of {options.rounds} rounds\n")
    print("| | srseg | albumentations | times |")
    print("| --- | ---: | ---: | ---: |")
    for row, found in rates.items():
        ours, theirs = found.get("srseg"), found.get("albumentations")
        times = ""
        if theirs is not None:
            beside = ours or rates["all transforms"]["srseg"]
            each = [a / b for a, b in zip(beside, theirs, strict=True)]
            times = f"{statistics.median(each):.1f} ({min(each):.1f}–{max(each):.1f})"
        print(f"| {row} | {median(ours)} | {median(theirs)} | {times} |")


def median(values: list[float] | None) -> str:
    """Write a median, where there is one."""
    return "" if values is None else f"{statistics.median(values):.0f}"


if __name__ == "__main__":
    main()
