"""What was scanned, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset import METADATA_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset import DatasetSample

_UNITS = {"um": "µm", "mm^3": "mm³", "mm^2": "mm²", "day": "days"}
_COLUMNS = ("alloy", "implantation_days", "beamline", "energy_kev")
_HEADS = {"alloy": "alloy", "implantation_days": "days", "beamline": "beamline",
          "energy_kev": "keV"}  # fmt: skip


def scan_facts(sample: DatasetSample) -> dict[str, str]:
    """Say what is known of a sample and its scan.

    Parameters
    ----------
    sample : DatasetSample
        The sample.

    Returns
    -------
    dict of str to str
        Values with their units, by what they are. Of files only the name is told: a page is sent to
        others.
    """
    file = sample.scan_file
    facts = {
        "Subject": sample.subject,
        "Scan": f"{file.path.name}, {file.dtype}",
        "Voxels (z, y, x)": voxels(sample.scan_grid.shape),
        "Voxel size": lengths(sample.scan_grid.voxel_size),
        "Size": " × ".join(f"{v / 1000:.3g}" for v in sample.scan_grid.extent) + " mm",
    }
    if file.roi is not None:
        box = ", ".join(f"{part.start} to {part.stop}" for part in file.roi)
        facts["Region"] = f"voxels {box} (z, y, x) of {voxels(file.grid.shape)}"
    if file.field is not None:
        facts["Field of view"] = f"a circle of radius {file.field.radius:g} µm"
    if file.alignment is not None:
        said = sample.sidecar["Alignment"]
        onto = "upright" if said.get("To") == "upright" else f"onto {said.get('To')}"
        facts["Alignment"] = f"{onto}, turned by {file.alignment.angle:.2f}°"
    for key, value in sample.metadata.items():
        known = METADATA_KEYS.get(key)
        # energy_kev, 38: Energy, 38 keV
        unit = "" if known is None or not known.unit else _UNITS.get(known.unit, known.unit)
        name = (key.rpartition("_")[0] if unit else key).replace("_", " ")
        name = name.capitalize()
        # what a key of somebody's own says does not take the place of what is known
        name = f"{name} (as noted)" if name in facts else name
        facts[name] = f"{said_as(value)} {unit}".strip()
    return facts


def sample_rows(samples: Sequence[DatasetSample]) -> tuple[list[str], list[list[str]]]:
    """Give heads and rows of a table of the samples of a study; columns that say nothing are out.

    Parameters
    ----------
    samples : sequence of DatasetSample
        The samples.

    Returns
    -------
    heads : list of str
        Sample, subject, and what is known of them.
    rows : list of list of str
        One for each sample.
    """
    known = [key for key in _COLUMNS if any(key in sample.metadata for sample in samples)]
    heads = ["sample", "subject", *(_HEADS[key] for key in known), "voxels", "voxel size", "labels"]
    rows = [
        [
            sample.name, sample.subject,
            *(said_as(sample.metadata.get(key, "")) or "–" for key in known),
            voxels(sample.scan_grid.shape), lengths(sample.scan_grid.voxel_size),
            ", ".join([*sample.label_sets, *sample.predictions]) or "–",
        ]
        for sample in samples
    ]  # fmt: skip
    return heads, rows


def said_as(value: Any) -> str:
    """Give a value as people write it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def voxels(shape: Sequence[int]) -> str:
    """Give a shape for reading: ``200 × 200 × 200``."""
    return " × ".join(map(str, shape))


def lengths(sizes: Sequence[float]) -> str:
    """Give voxel sizes for reading: ``2.4 µm``, or all three where they differ."""
    texts = [f"{v:g}" for v in sizes]
    return f"{texts[0] if len(set(texts)) == 1 else ' × '.join(texts)} µm"
