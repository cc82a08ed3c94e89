"""How well are motions found? Phantoms turned and shifted at random, scanned at another beamline.

Each phantom is moved by SimpleITK: turned by up to 30 degrees about any axis, shifted by up to a
tenth of its width, and brought back by ``srseg.preprocessing.register``, from scan to scan, from
labels to labels, and across; WF labels are those of a hurried annotator. Prints a table in
Markdown::

    python examples/benchmarks/alignment.py --motions 20 --size 96
"""

import argparse
import time

import numpy as np
import SimpleITK

from srseg import Volume
from srseg.phantoms import make_phantom
from srseg.preprocessing import register, survey
from srseg.volumes import RigidTransform

VOXEL = 20.0  # µm
CASES = (("scan", "scan"), ("WF", "WF"), ("WF", "truth"), ("scan", "truth"), ("truth", "scan"))


def main() -> None:
    """Move phantoms, find the motions again, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--motions", type=int, default=20)
    parser.add_argument("--size", type=int, default=96, help="voxels along each edge")
    options = parser.parse_args()
    errors: dict[tuple[str, str], list[tuple[float, float, float]]] = {case: [] for case in CASES}
    for seed in range(options.motions):
        for case, found in one_motion(seed, options.size).items():
            errors[case].append(found)
    print(f"{options.motions} motions, phantoms of {options.size}³ voxels")
    print()
    print("| moving | fixed | angle (°): median | largest | shift (voxels): median | largest "
          "| within 0.5° and half a voxel | seconds |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (moving, fixed), rows in errors.items():
        angle, shift, seconds = np.array(rows).T
        good = np.mean((angle < 0.5) & (shift < 0.5))
        print(f"| {moving} | {fixed} | {np.median(angle):.2f} | {angle.max():.2f} | "
              f"{np.median(shift):.2f} | {shift.max():.2f} | {good:.0%} | "
              f"{np.median(seconds):.1f} |")  # fmt: skip


def one_motion(seed: int, size: int) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Move one phantom, and give what is left of the motion: degrees, voxels, and the seconds."""
    rng = np.random.default_rng(seed)
    kind, alloy = ("screw", "pin")[seed % 2], ("Mg-5Gd", "Mg-10Gd")[seed // 2 % 2]
    here, there = (
        make_phantom(seed, (size,) * 3, voxel_size=VOXEL, implant=kind, alloy=alloy, beamline=b)
        for b in ("P05", "I13-2")
    )
    axis = rng.normal(size=3)
    versor = SimpleITK.VersorRigid3DTransform()
    versor.SetRotation((axis / np.linalg.norm(axis)).tolist(), np.deg2rad(rng.uniform(0, 30)))
    versor.SetCenter([(size - 1) / 2 * VOXEL] * 3)
    versor.SetTranslation((rng.uniform(-0.1, 0.1, 3) * size * VOXEL).tolist())
    matrix = np.reshape(versor.GetMatrix(), (3, 3))[::-1, ::-1]
    origin = versor.TransformPoint([0.0, 0.0, 0.0])[::-1]
    motion = RigidTransform(tuple(matrix.ravel()), origin)
    inside = moved(Volume.from_array(np.ones((size,) * 3, np.uint8), VOXEL), versor, nearest=True)
    scan = moved(there.scan, versor, nearest=False).read().astype(np.float32)
    scan[inside.read() == 0] = np.nan
    volumes = {
        "scan": (Volume(scan, here.scan.grid), here.scan),
        "WF": (moved(here.wf, versor, nearest=True), here.wf),
        "truth": (moved(here.truth, versor, nearest=True), here.truth),
    }
    seen = {}
    for name, (moving, fixed) in volumes.items():
        start = time.perf_counter()
        seen[name] = (survey(moving), survey(fixed), time.perf_counter() - start)
    found = {}
    for case in CASES:
        moving, fixed = seen[case[0]][0], seen[case[1]][1]
        start = time.perf_counter()
        left = motion.then(register(moving, fixed).transform)
        seconds = time.perf_counter() - start + (seen[case[0]][2] + seen[case[1]][2]) / 2
        place = fixed.centre
        shift = float(np.linalg.norm(left.apply(place) - place)) / VOXEL
        found[case] = (left.angle, shift, seconds)
    return found


def moved(volume: Volume, motion: SimpleITK.Transform, *, nearest: bool) -> Volume:
    """Move what is in a volume, on the same grid."""
    image = SimpleITK.GetImageFromArray(volume.read())
    image.SetSpacing(volume.grid.voxel_size[::-1])
    how = SimpleITK.sitkNearestNeighbor if nearest else SimpleITK.sitkLinear
    outside = 255 if volume.table is not None else 0
    result = SimpleITK.Resample(image, image, motion.GetInverse(), how, outside)
    return Volume(SimpleITK.GetArrayFromImage(result), volume.grid, table=volume.table)


if __name__ == "__main__":
    main()
