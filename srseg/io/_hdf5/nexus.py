"""What NeXus asks for around the voxels of a scan: the fields of NXtomoproc."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "n/a"

# where a fact goes below the entry, and its unit; the groups are made as they are needed
_FIELDS = {
    "proposal": ("experiment_identifier", ""),
    "beamline": ("instrument/name", ""),
    "energy_kev": ("instrument/beam/incident_energy", "keV"),
    "distance_mm": ("instrument/detector/distance", "mm"),
    "exposure_ms": ("instrument/detector/count_time", "ms"),
    "camera": ("instrument/detector/description", ""),
    "scintillator": ("instrument/detector/scintillator", ""),
    "optics": ("instrument/detector/optics", ""),
    "camera_bits": ("instrument/detector/bit_depth_readout", ""),
    "sample_type": ("sample/type", ""),
    "species": ("sample/description", ""),
}
_CLASSES = {"beam": "NXbeam", "detector": "NXdetector", "monochromator": "NXmonochromator"}


def describe_scan(entry: Any, title: str, facts: Mapping[str, Any]) -> None:
    """Write the fields of NXtomoproc; those that must be there and are not known are ``n/a``.

    Parameters
    ----------
    entry : h5py.Group
        The NXentry.
    title : str
        The name of the sample, where `facts` has none.
    facts : mapping
        What is known, under the keys of `srseg.dataset.METADATA_KEYS`, and ``sample`` for its name.
    """
    entry["definition"] = "NXtomoproc"
    instrument = nx_group(entry, "instrument", "NXinstrument")
    source = nx_group(instrument, "source", "NXsource")
    source["type"] = "Synchrotron X-ray Source"
    source["name"] = str(facts.get("facility", UNKNOWN))
    source["probe"] = "x-ray"
    sample = nx_group(entry, "sample", "NXsample")
    sample["name"] = str(facts.get("sample", title))
    for key, (path, unit) in _FIELDS.items():
        if key in facts:
            _field(entry, path, facts[key], unit)
    if "energy_kev" in facts and facts.get("beam") == "monochromatic":
        _field(entry, "instrument/monochromator/energy", facts["energy_kev"], "keV")
    if "camera_pixel_um" in facts:
        for axis in "xy":
            _field(entry, f"instrument/detector/{axis}_pixel_size", facts["camera_pixel_um"], "um")
    process = nx_group(entry, "reconstruction", "NXprocess")
    # srseg did not reconstruct the scan
    process["program"] = str(facts.get("reconstruction_program", UNKNOWN))
    process["version"] = str(facts.get("reconstruction_version", UNKNOWN))
    process["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    process["date"].attrs["note"] = "when this file was written; the reconstruction's is not known"
    nx_group(process, "parameters", "NXparameters")["raw_file"] = UNKNOWN


def nx_group(parent: Any, name: str, nx_class: str) -> Any:
    """Give a group of a class, and make it where it is missing.

    Parameters
    ----------
    parent : h5py.Group
        Where it lies.
    name : str
        Its name.
    nx_class : str
        Its NeXus class.

    Returns
    -------
    h5py.Group
        The group.
    """
    group = parent.require_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def _field(entry: Any, path: str, value: Any, unit: str) -> None:
    *groups, name = path.split("/")
    place = entry
    for group in groups:
        place = nx_group(place, group, _CLASSES[group]) if group in _CLASSES else place[group]
    place[name] = value
    if unit:
        place[name].attrs["units"] = unit
