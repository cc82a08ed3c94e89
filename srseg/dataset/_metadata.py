"""What is known of a sample and its acquisition: the keys, their units, and how they are read.

A quantity keeps its unit in its key (``energy_kev``): a bare number is taken in that unit, and a
text such as ``"0.038 MeV"`` is converted. Without the unit in the key (``energy = "38 keV"``) the
value must say it.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import FileFormatError, MissingFileError, ParameterError
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

MetadataValue = str | int | float | bool


@dataclass(frozen=True)
class MetadataKey:
    """One thing that can be known of a sample.

    Parameters
    ----------
    name : str
        The key, with the unit at its end where it has one: ``"energy_kev"``.
    description : str
        What it means, in a sentence.
    kind : {"text", "number", "count"}, default="text"
        What its values are; a count is a whole number.
    unit : str, default=""
        The unit of a number, as `srseg.units.parse_quantity` takes it.
    section : {"Specimen", "AcquisitionParameters", "ProcessingParameters"}, default="Specimen"
        The object of the sidecar in which it is kept.
    choices : tuple of str, default=()
        The allowed texts; any where it is empty.
    """

    name: str
    description: str
    kind: Literal["text", "number", "count"] = "text"
    unit: str = ""
    section: Literal["Specimen", "AcquisitionParameters", "ProcessingParameters"] = "Specimen"
    choices: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The key without its unit: ``"energy"``; values given under it must say their unit."""
        return self.name.rpartition("_")[0] if self.unit else self.name

    def parse(self, value: object, *, bare: bool, where: str) -> MetadataValue:
        """Check a value and bring it into the unit of the key.

        Parameters
        ----------
        value : object
            A text or a number.
        bare : bool
            Whether a number without a unit is allowed.
        where : str
            The file or option that says it, for the message.

        Returns
        -------
        str, int or float
            The value to keep.

        Raises
        ------
        ParameterError
            If the value cannot be one of this key.
        """
        label = f"{where}: {self.name}"
        if self.kind == "text":
            return self._text(value, label)
        number = self._number(value, bare=bare, label=label)
        if self.kind == "number":
            return number
        if number != int(number):
            raise ParameterError(f"{label} must be a whole number, found {value!r}")
        return int(number)

    def _text(self, value: object, label: str) -> str:
        if not isinstance(value, str):
            raise ParameterError(f"{label} is a text, found {value!r}; write it in quotes")
        text = clean_text(value, label)
        if self.choices and text not in self.choices:
            raise ParameterError(
                f"{label} is {text!r}; allowed are {', '.join(map(repr, self.choices))}"
            )
        return text

    def _number(self, value: object, *, bare: bool, label: str) -> float:
        unit = self.unit or "no unit"
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                if not self.unit:
                    raise ParameterError(f"{label} must be a number, found {value!r}") from None
                # people write mm2, pint reads mm^2
                powers = re.sub(r"(?<=[a-zA-Zµ])([23])\b", r"^\1", str(value))
                return parse_quantity(powers, self.unit, name=label)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{label} must be a number ({unit}), found {value!r}")
        if not bare and self.unit:
            raise ParameterError(
                f"{label}: {value!r} has no unit; write for example '{value:g}{self.unit}', or "
                f"name the key {self.name}"
            )
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{label} must be positive and finite, found {value!r}")
        return float(value)


_BEAM = ("monochromatic", "pink", "white")
_SAMPLE_TYPES = (
    "tissue", "whole organisms", "technical sample", "organoids", "primary cell",
    "cell line", "in vitro differentiated cells", "cell-free sample", "cloning host",
)  # fmt: skip

METADATA_KEYS: dict[str, MetadataKey] = {
    key.name: key
    for key in (
        MetadataKey("sample_type", "Kind of sample, in the words of BIDS", choices=_SAMPLE_TYPES),
        MetadataKey("species", "Species of the subject, for example 'rattus norvegicus'"),
        MetadataKey("alloy", "Material of the implant, for example 'Mg-5Gd'"),
        MetadataKey("implant_type", "Shape of the implant, for example 'screw' or 'pin'"),
        MetadataKey("time_point", "Name of the time point of the study"),
        MetadataKey(
            "implantation_days", "Time between implantation and explantation", "number", "day"
        ),
        MetadataKey(
            "initial_volume_mm3", "Volume of the implant before implantation", "number", "mm^3"
        ),
        MetadataKey(
            "initial_surface_mm2", "Surface of the implant before implantation", "number", "mm^2"
        ),
        MetadataKey("facility", "Synchrotron or laboratory", section="AcquisitionParameters"),
        MetadataKey(
            "beamline", "Beamline, for example 'P05' or 'I13-2'", section="AcquisitionParameters"
        ),
        MetadataKey("proposal", "Number of the proposal", section="AcquisitionParameters"),
        MetadataKey(
            "beam", "Bandwidth of the beam", section="AcquisitionParameters", choices=_BEAM
        ),
        MetadataKey(
            "energy_kev", "(Mean) photon energy", "number", "keV", "AcquisitionParameters"
        ),
        MetadataKey(
            "distance_mm", "Distance from sample to detector", "number", "mm",
            "AcquisitionParameters",
        ),
        MetadataKey(
            "exposure_ms", "Exposure time of a projection", "number", "ms", "AcquisitionParameters"
        ),
        MetadataKey(
            "projections", "Number of projections", "count", section="AcquisitionParameters"
        ),
        MetadataKey("scintillator", "Scintillator", section="AcquisitionParameters"),
        MetadataKey("optics", "Optics or magnification", section="AcquisitionParameters"),
        MetadataKey("camera", "Camera", section="AcquisitionParameters"),
        MetadataKey(
            "camera_pixel_um", "Pixel size of the camera", "number", "um", "AcquisitionParameters"
        ),
        MetadataKey(
            "camera_bits", "Bits per pixel of the camera", "count", section="AcquisitionParameters"
        ),
        MetadataKey(
            "reconstruction_program", "Program that reconstructed the scan",
            section="ProcessingParameters",
        ),
        MetadataKey(
            "reconstruction_version", "Version of that program", section="ProcessingParameters"
        ),
    )
}  # fmt: skip
"""The keys that srseg knows, by name."""

_BY_STEM = {key.stem: key for key in METADATA_KEYS.values()}
_SECTIONS = ("Specimen", "AcquisitionParameters", "ProcessingParameters")
_EXTRA = "Extra"
RESERVED = ("sample", "subject", "name", "has", "voxel_size")
"""Names that mean something else in `select` and in a metadata file."""


def clean_text(value: str, label: str) -> str:
    """Refuse an empty text, and one with control characters (a tab would break the tables)."""
    text = value.strip()
    if not text or not text.isprintable() or len(text) > 1000:
        raise ParameterError(
            f"{label} must be a text of 1 to 1000 printable characters, found {value[:60]!r}"
        )
    return text


def find_key(name: str) -> MetadataKey | None:
    """Find a key by its name, with or without its unit."""
    return METADATA_KEYS.get(name) or _BY_STEM.get(name)


def parse_metadata(
    values: Mapping[str, object], *, where: str = "metadata"
) -> dict[str, MetadataValue]:
    """Check what is said of a sample.

    Parameters
    ----------
    values : mapping
        Values by key; under ``"extra"`` a mapping of free keys.
    where : str, default="metadata"
        The file or option that says it, for messages.

    Returns
    -------
    dict
        The values in their keys' units, by full key; free keys among them.

    Raises
    ------
    ParameterError
        If a key is not known, or a value cannot be one of its key.

    Examples
    --------
    >>> parse_metadata({"alloy": "Mg-5Gd", "energy": "38 keV", "implantation": "8 weeks"})
    {'alloy': 'Mg-5Gd', 'energy_kev': 38.0, 'implantation_days': 56.0}
    >>> parse_metadata({"aloy": "Mg-5Gd"})
    Traceback (most recent call last):
    srseg.errors.ParameterError: metadata: unknown key 'aloy'; did you mean 'alloy'? Keys of your
        own go under [extra]. Known keys: ...
    """
    found: dict[str, MetadataValue] = {}
    for name, value in values.items():
        if name == "extra":
            continue
        key = find_key(name)
        if key is None:
            raise ParameterError(f"{where}: unknown key {name!r}{_hint(name)}")
        if key.name in found:
            raise ParameterError(f"{where}: {key.name} is given twice, also as {name!r}")
        found[key.name] = key.parse(value, bare=name == key.name, where=where)
    return {**found, **_parse_extra(values.get("extra", {}), where)}


def _parse_extra(extra: object, where: str) -> dict[str, MetadataValue]:
    from collections.abc import Mapping

    if not isinstance(extra, Mapping):
        raise ParameterError(f"{where}: extra must be a table of keys and values, found {extra!r}")
    found: dict[str, MetadataValue] = {}
    for name, value in extra.items():
        label = f"{where}: extra.{name}"
        if not re.fullmatch(r"[a-zA-Z][0-9a-zA-Z_]*", str(name)):
            raise ParameterError(f"{label}: a key is letters, digits and '_', letter first")
        if find_key(name) or name in RESERVED:
            raise ParameterError(f"{label}: this key means something to srseg; do not put it here")
        if isinstance(value, datetime | date | time):
            value = value.isoformat()
        if isinstance(value, str):
            value = clean_text(value, label)
        elif not isinstance(value, bool | int | float) or not math.isfinite(value):
            raise ParameterError(f"{label} must be a text, a finite number or true/false")
        found[name] = value
    return found


def _hint(name: str) -> str:
    known = [*METADATA_KEYS, *_BY_STEM]
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return (
        f"{meant} Keys of your own go under [extra]. Known keys: {', '.join(sorted(METADATA_KEYS))}"
    )


def read_metadata_file(path: Path | str) -> dict[str, Any]:
    """Read a TOML file of metadata, without checking its values.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        What it says, for `parse_metadata`.

    Raises
    ------
    MissingFileError
        If it does not exist.
    FileFormatError
        If it is not TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such metadata file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f'{path}: not a TOML file ({error}); write lines such as: energy = "38 keV"'
        ) from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from None


def to_sections(metadata: Mapping[str, MetadataValue]) -> dict[str, dict[str, MetadataValue]]:
    """Sort metadata into the objects of a sidecar."""
    sections: dict[str, dict[str, MetadataValue]] = {}
    for name, value in metadata.items():
        section = METADATA_KEYS[name].section if name in METADATA_KEYS else _EXTRA
        sections.setdefault(section, {})[name] = value
    return sections


def from_sidecar(sidecar: Mapping[str, Any]) -> dict[str, MetadataValue]:
    """Collect the metadata from the objects of a sidecar; the inverse of `to_sections`."""
    found: dict[str, MetadataValue] = {}
    for section in (*_SECTIONS, _EXTRA):
        found.update(sidecar.get(section, {}))
    return found
