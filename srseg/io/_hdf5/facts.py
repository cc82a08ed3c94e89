"""What programs leave in their HDF5 files on sample, instrument and reconstruction."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.io._hdf5.packed_chunks import values_in
from srseg.io._hdf5.safe import child
from srseg.io._hdf5.size import axis_names
from srseg.io._hdf5.texts import text_attribute, text_in
from srseg.io._hdf5.values import is_numbers
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from srseg.io._hdf5.safe import Place

# Where programs put what is worth knowing, below an NXentry or the ``measurement`` of a Data
# Exchange file, which have the same shape. A name in angle brackets is the only group of that NeXus
# class, or the group that is called so.
_INSTRUMENT = "<NXinstrument:instrument>"
_DETECTOR = f"{_INSTRUMENT}/<NXdetector:detector>"
_SOURCE = f"{_INSTRUMENT}/<NXsource:source>"
_SAMPLE = "<NXsample:sample>"

_TEXTS = {
    "title": ("title",),
    "sample": (f"{_SAMPLE}/name", f"{_SAMPLE}/sample_name"),
    "instrument": (
        f"{_INSTRUMENT}/beamline", f"{_SOURCE}/beamline", f"{_INSTRUMENT}/name",
        f"{_INSTRUMENT}/instrument_name",
    ),
    "source": (f"{_SOURCE}/name", f"{_SOURCE}/source_name"),
    "proposal": ("experiment_identifier", f"{_SAMPLE}/experiment/proposal"),
    "optics": (f"{_INSTRUMENT}/detection_system/objective/camera_objective",),
}  # fmt: skip

# key, unit it is kept in, and places; an energy of a source is that of its electrons
_QUANTITIES = {
    "energy_keV": ("keV", (
        f"{_INSTRUMENT}/<NXmonochromator:monochromator>/energy",
        f"{_INSTRUMENT}/<NXbeam:beam>/incident_energy", f"{_INSTRUMENT}/<NXbeam:beam>/energy",
        "<NXbeam:beam>/incident_energy", f"{_SAMPLE}/<NXbeam:beam>/incident_energy",
    )),
    "distance_mm": ("mm", (
        f"{_DETECTOR}/distance", f"{_DETECTOR}/sample_detector_distance",
        f"{_INSTRUMENT}/camera_motor_stack/setup/camera_distance",
        f"{_INSTRUMENT}/sample_motor_stack/detector_distance",
    )),
    "camera_pixel_um": ("um", (
        f"{_DETECTOR}/real_x_pixel_size", f"{_DETECTOR}/x_pixel_size", f"{_DETECTOR}/pixel_size",
    )),
    "image_pixel_um": ("um", (
        f"{_DETECTOR}/x_magnified_pixel_size",
        f"{_INSTRUMENT}/detection_system/objective/resolution",
    )),
    "exposure_ms": ("ms", (f"{_DETECTOR}/count_time", f"{_DETECTOR}/exposure_time")),
}  # fmt: skip

# what nabu notes in its options, with the unit in the name
_NABU = {
    "energy_keV": (("energy_kev", "keV"),),
    "distance_mm": (("distance_m", "m"), ("distance_cm", "cm")),
}

_MOST_GROUPS = 1000
_NOTHING = ("", "n/a", "none", "unknown", "?", "not set")
_BEAMS = {"mono": "monochromatic", "pink": "pink", "white": "white"}


def metadata(place: Place) -> dict[str, Any]:
    """Collect what a file says of sample, instrument and program.

    Parameters
    ----------
    place : Place
        The volume, and the way to it; what the first file says stands above what others say.

    Returns
    -------
    dict
        Texts by name; quantities by name and unit, where the file says the unit; ``provenance`` as
        it was stored by srseg; ``axes`` where the file names its axes in another order than z, y,
        x.
    """
    found: dict[str, Any] = {}
    for group, _ in place.ways:
        for entry in _entries(group):
            _collect(entry, found)
        _program(group, found)
        _first(found, "projections", _projections(group.file))
    _axes(place, found)
    provenance = _text(child(_entry(place.item), "provenance/data"))
    if provenance:
        try:
            found["provenance"] = json.loads(provenance)
        except (ValueError, RecursionError):
            found["provenance"] = provenance
    return found


def _entry(item: Any) -> Any:
    """Give the group at the top of the file in which an object lies."""
    top = child(item.file, item.name.split("/")[1])
    return item.file if top is None or hasattr(top, "dtype") else top


def _entries(group: Any) -> Iterator[Any]:
    """Give the groups that may say something of a volume, its own entry first."""
    own = _entry(group)
    yield own
    if own.name in ("/", "/processed"):  # DAWN keeps the measurement in an entry of its own
        others = [g for g in _groups(group.file) if _nx_class(g) == "NXentry" and g != own]
        if len(others) == 1:
            yield others[0]
    measurement = child(group.file, "measurement")
    if measurement is not None and not hasattr(measurement, "dtype"):
        yield measurement


def _collect(entry: Any, found: dict[str, Any]) -> None:
    known: dict[str, Any] = {}
    for name, places in _TEXTS.items():
        _first(found, name, (_text(_at(entry, p, known)) for p in places))
    for name, (unit, places) in _QUANTITIES.items():
        _first(found, name, (_quantity(_at(entry, p, known), unit) for p in places))
    detector = _at(entry, _DETECTOR, known)
    if detector is not None and not hasattr(detector, "dtype"):
        named = [_text(child(detector, name)) for name in ("manufacturer", "model")]
        _first(
            found, "camera", (" ".join(filter(None, named)), _text(child(detector, "description")))
        )
        _first(found, "camera_bits", (_count(child(detector, "bit_depth_readout")),))
        _first(found, "optics", (_times(child(detector, "magnification")),))
    system = _at(entry, f"{_INSTRUMENT}/detection_system/scintillator", known)
    if system is not None and not hasattr(system, "dtype"):
        _first(found, "scintillator", (_scintillator(system),))
    mode = _text(_at(entry, f"{_INSTRUMENT}/monochromator/energy_mode", known)).lower()
    _first(found, "beam", (beam for said, beam in _BEAMS.items() if mode.startswith(said)))


def _first(found: dict[str, Any], name: str, values: Iterable[Any]) -> None:
    if name in found:
        return
    for value in values:
        if value:
            found[name] = value
            return


def _program(group: Any, found: dict[str, Any]) -> None:
    """Take the program of the process whose result this is, not that of the measurement."""
    here = group
    while "program" not in found:
        process = here if _nx_class(here) == "NXprocess" else child(here, "reconstruction")
        if process is not None and not hasattr(process, "dtype"):
            _first(found, "program", (_text(child(process, "program")),))
            if "program" in found:
                _first(found, "version", (_text(child(process, "version")),))
            _nabu(child(process, "configuration/processing_options/phase"), found)
        if here.name == "/":
            break
        here = here.parent
    # tomocupy: the name of the group is all that it says
    for name in child(group.file, "process") or ():
        program, _, version = name.partition("-")
        if program == "tomocupy" and "program" not in found:
            found["program"] = program
            _first(found, "version", (version,))


def _projections(file: Any) -> Iterator[int | None]:
    yield _count(child(file, "process/acquisition/rotation/num_angles"))
    angles = child(file, "angles")
    if child(file, "data_dims/detector_x_y") is not None and is_numbers(angles):
        yield int(angles.size)  # httomo


def _nabu(options: Any, found: dict[str, Any]) -> None:
    for name, places in _NABU.items():
        for place, unit in places:
            item = child(options, place) if options is not None else None
            _first(found, name, (_quantity(item, _QUANTITIES[name][0], unit),))


def _axes(place: Place, found: dict[str, Any]) -> None:
    for group, _ in place.ways:
        names = [name.lower()[-1:] for name in axis_names(group, place.item)]
        if sorted(names) == ["x", "y", "z"]:
            if names != ["z", "y", "x"]:
                found["axes"] = "".join(names)
            return


def _at(entry: Any, path: str, known: dict[str, Any]) -> Any:
    """Give what lies there, or None; groups on the way, which many share, are looked up once."""
    if path not in known:
        above, _, part = path.rpartition("/")
        known[path] = _below(_at(entry, above, known) if above else entry, part)
    return known[path]


def _below(group: Any, part: str) -> Any:
    if group is None or hasattr(group, "dtype"):
        return None
    if not part.startswith("<"):
        return child(group, part)
    nx_class, _, name = part.strip("<>").partition(":")
    named = child(group, name)
    if named is None:
        of_class = [g for g in _groups(group) if _nx_class(g) == nx_class]
        named = of_class[0] if len(of_class) == 1 else None
    return named


def _groups(group: Any) -> list[Any]:
    if len(group) > _MOST_GROUPS:
        return []
    found = [child(group, name) for name in group]
    return [g for g in found if g is not None and not hasattr(g, "dtype")]


def _nx_class(group: Any) -> str:
    return text_attribute(group, "NX_class")


def _text(item: Any) -> str:
    text = text_in(item).strip("\0 \n")
    return "" if text.lower() in _NOTHING else text


def _count(item: Any) -> int | None:
    if not is_numbers(item) or item.size != 1 or item.dtype.kind == "f":
        return None
    return int(values_in(item).reshape(-1)[0])


def _times(item: Any) -> str:
    if not is_numbers(item) or item.size != 1:
        return ""
    value = float(values_in(item).reshape(-1)[0])
    return f"{value:g}x" if math.isfinite(value) and value > 0 else ""


def _scintillator(group: Any) -> str:
    kind = _text(child(group, "scintillator_type")) or _text(child(group, "name"))
    thickness = _quantity(child(group, "scintillating_thickness"), "um")
    if not kind or thickness is None:
        return kind
    return f"{kind}, {thickness:g} µm"


def _quantity(item: Any, unit: str, said: str = "") -> float | None:
    """Read a number with the unit that its attribute, or a dataset beside it, says."""
    if not is_numbers(item) or item.size != 1:
        return None
    value = float(str(np.asarray(values_in(item)).reshape(-1)[0]))
    said = said or _unit(item)
    if not said and unit == "keV" and value < 1e-9 and _is_data_exchange(item.file):
        said = "J"  # what Data Exchange means where no unit is said; nobody writes such keV
    if unit == "keV" and said.lower() == "kev":
        said = "keV"
    try:
        return parse_quantity(f"{value!r} {said}", unit)
    except ParameterError:
        return None


def _unit(item: Any) -> str:
    for name in ("units", "unit"):
        said = text_attribute(item, name) or _text(child(item.parent, f"{item.name}_{name}"))
        if said:
            return said.strip("\0 ")
    return ""


def _is_data_exchange(file: Any) -> bool:
    return "exchange" in _text(child(file, "implements"))
