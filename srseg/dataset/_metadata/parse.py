"""What is known of a sample and its acquisition: how it is given, checked and kept.

A quantity keeps its unit in its key (``energy_kev``): a bare number is taken in that unit, and a
text such as ``"0.038 MeV"`` is converted. Without the unit in the key (``energy = "38 keV"``) the
value must say it.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.dataset._metadata.schema import EXTRA, METADATA_KEYS, SECTIONS, MetadataKey, validate
from srseg.dataset._metadata.values import MetadataValue, is_bare, known_text
from srseg.errors import FileFormatError, MissingFileError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

_BY_STEM = {key.stem: key for key in METADATA_KEYS.values()}
RESERVED = (
    "sample", "subject", "name", "has", "voxel_size", "voxel_size_um", "extra",
    "sample_id", "participant_id",
)  # fmt: skip
"""Names that mean something else in `select`, in a table or in a metadata file."""


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
        own go under extra (extra.NAME, or [extra] in a TOML file). Known keys: ...
    """
    said: dict[str, object] = {}
    problems: list[str] = []
    for name, value in values.items():
        if name == "extra":
            continue
        key = find_key(name)
        if key is None:
            problems.append(f"unknown key {name!r}{hint(name)}")
        elif key.name in said:
            problems.append(f"{key.name} is given twice, also as {name!r}")
        else:
            if missing := missing_unit(name, value):
                problems.append(missing)
            said[key.name] = value
    found, wrong = validate(said)
    extra = values.get("extra", {})
    if isinstance(extra, Mapping):
        for name, value in extra.items():
            try:
                require_extra_name(str(name))
                found[name] = extra_value(value, f"extra.{name}")
            except ParameterError as error:
                problems.append(str(error))
    else:
        problems.append(f"extra must be a table of keys and values, found {extra!r}")
    problems += wrong.values()
    if problems:
        raise ParameterError("\n".join(f"{where}: {problem}" for problem in problems))
    return found


def missing_unit(name: str, value: object) -> str:
    """Say that a number under a key without its unit has none; empty where that is not so."""
    key = find_key(name)
    if key is None or name == key.name or isinstance(value, bool):
        return ""
    if not isinstance(value, int | float) and not (isinstance(value, str) and is_bare(value)):
        return ""
    shown = f"{min(float(str(value)), 1e300):g}{key.unit}"  # an int can be larger than any float
    return f"{name}: {value!r} has no unit; write for example {shown!r}, or name the key {key.name}"


def require_extra_name(name: str) -> None:
    """Refuse what cannot be a key of the study's own.

    Raises
    ------
    ParameterError
        If it is no key, or means something to srseg.
    """
    label = f"extra.{name}"
    if not re.fullmatch(r"[a-zA-Z][0-9a-zA-Z_]{0,63}", name):
        raise ParameterError(f"{label}: a key is letters, digits and '_', letter first, at most 64")
    if find_key(name) or name in RESERVED:
        raise ParameterError(f"{label}: this key means something to srseg; do not put it here")


def extra_value(value: object, label: str) -> MetadataValue:
    """Check the value of a key of the study's own.

    Raises
    ------
    ParameterError
        If it cannot be kept.
    """
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, str):
        return known_text(value, label)
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        raise ParameterError(f"{label} must be a text, a finite number or true/false")
    return value


def hint(name: str, others: Iterable[str] = ()) -> str:
    """Say what an unknown key may mean, and what there is."""
    close = difflib.get_close_matches(name, [*METADATA_KEYS, *_BY_STEM, *others], n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return (
        f"{meant} Keys of your own go under extra (extra.NAME, or [extra] in a TOML file). "
        f"Known keys: {', '.join(sorted(METADATA_KEYS))}"
    )


_LARGEST = 1 << 20  # bytes of a file of metadata


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
        if path.stat().st_size > _LARGEST:
            raise FileFormatError(f"{path} has {path.stat().st_size >> 20} MiB; is it metadata?")
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such metadata file") from None
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:  # a number may have too many digits
        raise FileFormatError(
            f'{path}: not a TOML file ({error}); write lines such as: energy = "38 keV"'
        ) from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from None


def to_sections(metadata: Mapping[str, MetadataValue]) -> dict[str, dict[str, MetadataValue]]:
    """Sort metadata into the objects of a sidecar."""
    sections: dict[str, dict[str, MetadataValue]] = {}
    for name, value in metadata.items():
        section = METADATA_KEYS[name].section if name in METADATA_KEYS else EXTRA
        sections.setdefault(section, {})[name] = value
    return sections


def from_sidecar(sidecar: Mapping[str, Any]) -> dict[str, MetadataValue]:
    """Collect the metadata from the objects of a sidecar; the inverse of `to_sections`."""
    found: dict[str, MetadataValue] = {}
    for section in (*SECTIONS, EXTRA):
        found.update(sidecar.get(section, {}))
    return found
