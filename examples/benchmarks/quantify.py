"""The implant numbers of a full-size label volume: memory and time, next to one plain read.

Labels of an eaten screw with cracks, in spongy bone, are made slab by slab and written (gzip, as
label sets are kept), or used again. Processes of their own then read them once and quantify them::

    python examples/benchmarks/quantify.py --folder quantify
    python examples/benchmarks/quantify.py --folder quantify --shape 300 300 300
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from measuring import run_part
from numpy.typing import NDArray

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.io import write_volume
from srseg.machine import usable_cores

VOXEL = 5.0  # µm


class Explant:
    """Labels that are made when they are read: about half of the cross-section is implant.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.whole_slices = True

    def __getitem__(self, region: tuple[slice, slice, slice]) -> NDArray[np.uint8]:
        nz, ny, nx = self.shape
        z, y, x = (
            np.arange(part.start, part.stop, dtype=np.float32).reshape(place)
            for part, place in zip(region, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)
        )
        y, x = y - ny / 2 + 0.3, x - nx / 2 + 0.1
        r, angle = np.hypot(y, x), np.arctan2(y, x)
        # a thread of 60 voxels, and a layer of some 25 that goes up and down
        radius = 0.3 * min(ny, nx) + 6 * np.sin(2 * np.pi * z / 60 - angle)
        layer = (
            25 + 8 * np.sin(5 * angle + z / 30) * np.cos(z / 41) + 6 * np.sin(13 * angle - z / 9)
        )
        strut = np.sin(x / 20 + 0.4 * np.sin(z / 31)) * np.sin(y / 20) + np.cos(z / 20) * np.cos(
            x / 27
        )
        labels = np.where(strut > 0.25, np.uint8(1), np.uint8(0))
        inside = (r < radius) & (z > 0.1 * nz) & (z < 0.9 * nz)
        labels[inside] = 2
        labels[inside & (r < radius - layer)] = 3
        crack = np.abs(np.sin(17 * angle + z / 50 + np.sin(r / 7))) * r < 30
        labels[inside & crack & (r > radius - 0.8 * layer)] = 0
        return labels


def main() -> None:
    """Write the labels, let them be read and quantified, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("quantify"))
    parser.add_argument("--shape", type=int, nargs=3, default=(1000, 1200, 1200), metavar="N",
                        help="slices, rows, columns")  # fmt: skip
    parser.add_argument("--distances", type=float, nargs="+", default=(50, 100, 200, 500))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shape = tuple(options.shape)
    path = options.folder / f"{'x'.join(map(str, shape))}.h5"
    if not path.exists():
        volume = Volume(Explant(shape), Grid(shape, (VOXEL,) * 3), table=DEFAULT_LABELS)
        write_volume(path, volume)
    job = {"path": str(path), "distances": list(options.distances)}
    read = run_part(sys.executable, "quantify_srseg.py", {**job, "what": "read"})
    done = run_part(sys.executable, "quantify_srseg.py", {**job, "what": "measure"})
    print(f"{' x '.join(map(str, shape))} voxels, {path.stat().st_size / 1e6:.0f} MB; "
          f"{usable_cores()} cores; distances up to {max(options.distances):g} µm.\n")  # fmt: skip
    print("| | s | peak of resident memory, GB |\n| --- | ---: | ---: |")
    print(f"| one plain read | {read['seconds']:.1f} | {read['peak'] / 1e9:.2f} |")
    print(f"| all implant numbers | {done['seconds']:.1f} | {done['peak'] / 1e9:.2f} |")
    for stage, seconds in done["stages"].items():
        print(f"| of these: {stage} | {seconds:.1f} | |")
    print("\n| | |\n| --- | ---: |")
    for name, (value, unit) in done["measures"].items():
        print(f"| {name} | {value:.4g} {unit} |")


if __name__ == "__main__":
    main()
