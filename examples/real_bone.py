"""Real bone, from a TIFF stack to an IoU, through the command line.

The scan is 200³ voxels of human trabecular bone (micro-CT, 19.5 µm). Its upper part is trained on,
its lower part is held out. An Otsu threshold of the smoothed scan stands for the workflow's labels
(WF); nobody has labelled this scan by hand, so the score says how well a network learns to repeat
that rule on bone it has not seen, and no more.

Run it as::

    python examples/real_bone.py SCAN.tif --out real-bone
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK
import tifffile
from scipy import ndimage
from skimage.filters import threshold_otsu

from srseg import Dataset
from srseg.reports import comparison_figure, save_figure

VOXEL_SIZE = 19.5  # µm
TRAIN = 120  # slices of the upper part; the rest but a gap of GAP slices is held out
GAP = 8


def srseg(*words: object) -> str:
    """Run one srseg command and show it."""
    command = ["srseg", *map(str, words)]
    print("$", " ".join(command), flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    return done.stdout


def write_parts(scan: np.ndarray, folder: Path) -> None:
    """Write the two parts as TIFF, and an Otsu mask of each as MHA."""
    level = threshold_otsu(scan[:TRAIN])
    mask = ndimage.gaussian_filter(scan.astype(np.float32), 1) > level
    parts = {"upper": slice(0, TRAIN), "lower": slice(TRAIN + GAP, len(scan))}
    for name, part in parts.items():
        tifffile.imwrite(folder / f"{name}.tif", scan[part])
        image = SimpleITK.GetImageFromArray(mask[part].astype(np.uint8))
        image.SetSpacing((VOXEL_SIZE / 1000,) * 3)  # mm
        SimpleITK.WriteImage(image, folder / f"{name}-otsu.mha")


def draw(dataset: Dataset, path: Path) -> None:
    """Show the held-out part: scan, Otsu mask, prediction, errors."""
    sample = dataset["lower"]
    predicted = sample.labels("srseg-bone/soft3")
    otsu = sample.labels("WF")
    figure = comparison_figure(
        sample.scan,
        {"Otsu mask": otsu, "srseg, 3 planes": predicted},
        truth="Otsu mask",
        prediction="srseg, 3 planes",
        title="Human trabecular bone: the part that was not trained on",
    )
    save_figure(figure, path)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path, help="lhdl_trabecular_200.tif")
    parser.add_argument("--out", type=Path, default=Path("real-bone"))
    parser.add_argument("--max-iter", type=int, default=300)
    parser.add_argument("--planes", default="1,3,9", help="numbers of planes to evaluate")
    options = parser.parse_args()
    if not options.scan.exists():
        sys.exit(f"{options.scan}: no such file; give the path of lhdl_trabecular_200.tif")
    options.out.mkdir(parents=True)
    folder, model = options.out / "dataset", options.out / "bone.srseg"
    write_parts(tifffile.imread(options.scan), options.out)
    table = options.out / "classes.tsv"
    table.write_text("index\tname\tabbreviation\tcolor\n0\tbackground\tBG\t#000000\n"
                     "1\tbone\tbone\t#56b4e9\n")  # fmt: skip
    srseg("dataset", "init", folder, "--name", "Human trabecular bone", "--labels", table)
    for part in ("upper", "lower"):
        srseg("dataset", "add", options.out / f"{part}.tif", "--voxel-size", f"{VOXEL_SIZE}um",
              "--subject", f"bone{part}", "-d", folder)  # fmt: skip
        srseg("dataset", "label", options.out / f"{part}-otsu.mha", "--sample", part, "--set", "WF",
              "-d", folder)  # fmt: skip
    size = ("--width", 8, "--depth", 3, "--input-size", 96, "--voxel-size", "scan")
    srseg("train", "upper", *size, "--max-iter", options.max_iter, "--out", model, "-d", folder)
    srseg("predict", model, "lower", "--planes", 3, "-d", folder)
    srseg("evaluate", model, "lower", "--against", "WF", "--planes", options.planes, "-d", folder)
    draw(Dataset(folder), options.out / "comparison.png")
    print(f"look at {options.out / 'comparison.png'}")


if __name__ == "__main__":
    main()
