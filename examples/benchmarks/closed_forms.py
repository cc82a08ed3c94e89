"""How near are the implant numbers to those of shapes that have a formula? Prints a table.

Spheres, shells, cylinders, pits, cracks and bone of a known share, in voxels of 5 µm, somewhere
between the voxels; 20, 40 and 80 voxels across::

    python examples/benchmarks/closed_forms.py
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from srseg import DEFAULT_LABELS, Volume
from srseg.quantification import InitialImplant, Measures, measure

VOXEL = 5.0  # µm
BONE, LAYER, RESIDUAL = 1, 2, 3
OFFSET = np.array([0.13, 0.31, 0.47])  # of the centre from that of a voxel
TILTED = np.array([3.0, 2.0, 1.0]) / np.sqrt(14)
DAYS = 84.0

Case = tuple[str, str, float, float]
"""Shape, quantity, what was measured, what it is."""


def cases(across: int) -> Iterator[Case]:
    """Measure all shapes at one size."""
    for shape in (shells, cylinders, wedges, bone_shell, pit, crack):
        yield from shape(across)


def shells(across: int) -> Iterator[Case]:
    """Measure a sphere of metal in a layer, 0.6 of it across."""
    radius, inner = across / 2, 0.3 * across
    r = length(space(across))
    initial = InitialImplant(mm3(ball(radius)), mm2(4 * np.pi * radius**2), "formula")
    found = quantify(np.where(r < inner, RESIDUAL, np.where(r < radius, LAYER, 0)), initial)
    thickness = (radius - inner) * VOXEL
    lost = ball(radius) - ball(inner)
    rate = mm3(lost) / initial.surface_mm2 / (DAYS / 365.25)
    for name, exact in (
        ("volume_residual_material", mm3(ball(inner))),
        ("volume_degradation_layer", mm3(lost)),
        ("implant_volume", mm3(ball(radius))),
        ("implant_surface", mm2(4 * np.pi * radius**2)),
        ("residual_surface", mm2(4 * np.pi * inner**2)),
        ("volume_loss", mm3(lost)),
        ("volume_loss_fraction", 100 * lost / ball(radius)),
        ("degradation_rate", rate),
        ("layer_thickness", thickness),
        ("layer_thickness_max", thickness),
        ("pit_depth", thickness),
        ("pitting_factor", 1.0),
    ):
        yield "shell", name, found[name].value, exact


def cylinders(across: int) -> Iterator[Case]:
    """Measure cylinders: a tilted one with its ends, and one that the volume cuts off."""
    points = space(across, 1.2)
    height = 2 * across
    along = points @ TILTED
    r = length(points - along[..., None] * TILTED)
    found = quantify(np.where((r < across / 2) & (abs(along) < height / 2), RESIDUAL, 0))
    area = np.pi * across * (height + across / 2)
    yield (
        "cylinder, tilted",
        "implant_volume",
        found["implant_volume"].value,
        mm3(np.pi * across**2 / 4 * height),
    )
    yield "cylinder, tilted", "implant_surface", found["implant_surface"].value, mm2(area)
    points = space(across)
    found = quantify(np.where(length(points[..., 1:]) < across / 2, RESIDUAL, 0))
    area = np.pi * across * len(points)
    yield "cylinder along an axis", "implant_surface", found["implant_surface"].value, mm2(area)


def wedges(across: int) -> Iterator[Case]:
    """Measure a cylinder that bone covers by a half, or by three tenths."""
    points = space(across)
    r, angle = length(points[..., 1:]), np.arctan2(points[..., 1], points[..., 2])
    for share in (0.5, 0.3):
        covered = (angle - 0.4) % (2 * np.pi) < share * 2 * np.pi
        found = quantify(np.where(r < across / 2, RESIDUAL, np.where(covered, BONE, 0)))
        for name in ("bone_implant_contact", "bone_implant_contact_surface", "bone_fraction_25um"):
            yield f"cylinder, {share:.0%} bone", name, found[name].value, 100 * share


def bone_shell(across: int) -> Iterator[Case]:
    """Measure bone that begins a twentieth of the width away from a sphere."""
    radius = across / 2
    r = length(space(across))
    first = radius + across / 20
    found = quantify(np.where(r < radius, RESIDUAL, np.where(r > first, BONE, 0)), reach=across / 4)
    last = radius + across / 4
    value = found[f"bone_fraction_{across / 4 * VOXEL:g}um"].value
    share = 100 * (last**3 - first**3) / (last**3 - radius**3)
    yield "sphere, bone apart", "bone_fraction", value, share


def pit(across: int) -> Iterator[Case]:
    """Measure a pit, round at the bottom, in a sphere of metal in which the layer fills it."""
    points, radius = space(across), across / 2
    r = length(points)
    deep = 0.4 * across
    hollow = length(points - (radius + 0.1 * across) * TILTED) < deep + 0.1 * across
    found = quantify(np.where(r >= radius, 0, np.where(hollow, LAYER, RESIDUAL)))
    for name in ("pit_depth", "layer_thickness_max"):
        yield "sphere with a pit", name, found[name].value, deep * VOXEL


def crack(across: int) -> Iterator[Case]:
    """Measure a crack like a coin in the layer."""
    points, radius = space(across), across / 2
    wide = across // 10
    coin = (length(points[..., 1:]) < 0.3 * across) & (points[..., 0] < wide) & (points[..., 0] > 0)
    found = quantify(np.where((length(points) < radius) & ~coin, LAYER, 0), crack=wide + 2)
    yield (
        "sphere with a crack",
        "crack_volume",
        found["crack_volume"].value,
        mm3(np.pi * (0.3 * across) ** 2 * wide),
    )


def space(across: int, half: float = 0.8) -> NDArray[np.float64]:
    """Give the places of voxels around the centre, in voxels."""
    n = int(2 * half * across)
    grid = np.moveaxis(np.indices((n, n, n)), 0, -1)
    return grid - n // 2 + OFFSET


def length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the lengths of vectors."""
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1)
    return lengths


def quantify(
    labels: NDArray[np.int64], initial: InitialImplant | None = None, reach: float = 5,
    crack: float = 2,
) -> Measures:  # fmt: skip
    """Measure labels; lengths in voxels."""
    volume = Volume.from_array(labels.astype(np.uint8), VOXEL, table=DEFAULT_LABELS)
    return measure(
        volume, implant=initial, days=DAYS, distances=[reach * VOXEL], crack_width=crack * VOXEL
    )


def ball(radius: float) -> float:
    """Give the volume of a ball."""
    return 4 / 3 * np.pi * radius**3


def mm2(voxels: float) -> float:
    """Turn faces of voxels into mm²."""
    return voxels * VOXEL**2 * 1e-6


def mm3(voxels: float) -> float:
    """Turn voxels into mm³."""
    return voxels * VOXEL**3 * 1e-9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--across", type=int, nargs="+", default=[20, 40, 80], help="voxels")
    sizes = parser.parse_args().across
    rows: dict[tuple[str, str], list[float]] = {}
    for size in sizes:
        for shape, quantity, measured, exact in cases(size):
            rows.setdefault((shape, quantity), []).append(measured / exact - 1)
    print("| shape | quantity | " + " | ".join(map(str, sizes)) + " |")
    print("| --- | --- |" + " ---: |" * len(sizes))
    for (shape, quantity), errors in rows.items():
        print(f"| {shape} | {quantity} | " + " | ".join(f"{e:+.2%}" for e in errors) + " |")


if __name__ == "__main__":
    main()
