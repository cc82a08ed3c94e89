"""What the command line says of a sample: a file of metadata, and options that stand above it."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from srseg.cli._options import warn_if_unusual

MetadataFile = Annotated[
    Path | None,
    typer.Option(
        metavar="TOML",
        help="A file of metadata with lines such as energy = '38 keV', implantation = '8 weeks', "
        "and keys of your own in the table 'extra'; options stand above it.",
    ),
]


@dataclass(frozen=True)
class Said:
    """What was said of a sample.

    Parameters
    ----------
    sample : str or None
        Its name.
    subject : str or None
        Its subject.
    voxel_size : float or None
        In µm.
    values : dict
        The metadata, checked.
    """

    sample: str | None
    subject: str | None
    voxel_size: float | None
    values: dict[str, Any]


def read_metadata(file: Path | None, options: dict[str, str | None]) -> Said:
    """Read the metadata file, and let the options replace what it says."""
    from srseg.dataset import (
        METADATA_KEYS,
        parse_metadata,
        read_metadata_file,
        unusual_metadata,
    )
    from srseg.errors import ParameterError

    given: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None:
            try:
                given |= parse_metadata({name: value}, where=f"--{name}")
            except ParameterError as error:
                raise typer.BadParameter(str(error)) from None
    told = {} if file is None else read_metadata_file(file)
    sample, subject = (
        _text(told.pop(key, None), f"{file}: {key}") for key in ("sample", "subject")
    )
    voxel_size = _length(told.pop("voxel_size", None), f"{file}: voxel_size")
    parsed = parse_metadata(told, where=str(file))
    extra = {key: value for key, value in parsed.items() if key not in METADATA_KEYS}
    known = {key: value for key, value in parsed.items() if key in METADATA_KEYS}
    for message in unusual_metadata(known | given):
        warnings.warn(message, stacklevel=2)
    return Said(sample, subject, voxel_size, {**known, **given, "extra": extra})


def _text(value: Any, where: str) -> str | None:
    from srseg.errors import ParameterError

    if value is not None and not isinstance(value, str):
        raise ParameterError(f"{where} is a text, found {value!r}; write it in quotes")
    if value is not None and not value.strip():
        raise ParameterError(f"{where} is empty; name one, or leave the line out")
    return value


def _length(value: Any, where: str) -> float | None:
    from srseg.errors import ParameterError
    from srseg.units import parse_quantity

    if value is None:
        return None
    if not isinstance(value, str):
        raise ParameterError(f'{where}: {value!r} has no unit; write for example "2.4 um"')
    length = parse_quantity(value, "um", name=where)
    warn_if_unusual(length, "um", where)
    return length
