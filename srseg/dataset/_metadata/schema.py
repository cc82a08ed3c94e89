"""The schema of what is known of a sample: every key with its type, unit, place and limits.

It is a pydantic model. What is known of its fields in words (`METADATA_KEYS`), the JSON Schema and
the table in the documentation are all made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from srseg.dataset._metadata.values import MetadataValue, read_count, read_number, read_text
from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

Section = Literal["Specimen", "AcquisitionParameters", "ProcessingParameters"]

SECTIONS: tuple[Section, ...] = get_args(Section)
EXTRA = "Extra"
"""The object of a sidecar with the keys of a study's own."""

_SPECIMEN: Section = "Specimen"
_ACQUISITION: Section = "AcquisitionParameters"
_PROCESSING: Section = "ProcessingParameters"

SampleType = Literal[
    "tissue", "whole organisms", "technical sample", "organoids", "primary cell",
    "cell line", "in vitro differentiated cells", "cell-free sample", "cloning host",
]  # fmt: skip
Beam = Literal["monochromatic", "pink", "white"]


def _text(section: Section, description: str, example: str) -> Any:
    return Field(
        None, description=description, examples=[example], json_schema_extra={"section": section}
    )


def _number(
    section: Section,
    unit: str,
    description: str,
    example: float,
    usual: tuple[float, float],
    **limits: Any,
) -> Any:
    about: dict[str, Any] = {"section": section, "unit": unit, "usual": list(usual)}
    return Field(
        None,
        description=description,
        examples=[example],
        allow_inf_nan=False,
        json_schema_extra={k: v for k, v in about.items() if v},
        **limits,
    )


class SampleMetadata(BaseModel):
    """What can be known of a sample and of how it was imaged; every field may be left out.

    A text with a unit is converted into the unit of its field: ``energy_kev="0.038 MeV"`` is 38.
    The name and the subject of a sample, and its voxel size, are not here: they are in the name of
    its file and in its grid.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sample_type: SampleType | None = _text(
        _SPECIMEN, "Kind of sample, in the words of BIDS", "tissue"
    )
    species: str | None = _text(_SPECIMEN, "Species of the subject", "rattus norvegicus")
    alloy: str | None = _text(_SPECIMEN, "Material of the implant", "Mg-5Gd")
    implant_type: str | None = _text(_SPECIMEN, "Shape of the implant", "screw")
    time_point: str | None = _text(_SPECIMEN, "Name of the time point of the study", "8w")
    implantation_days: float | None = _number(
        _SPECIMEN, "day", "Time between implantation and explantation; 0 for never implanted", 56,
        (0, 3650), ge=0, le=40_000,
    )  # fmt: skip
    initial_volume_mm3: float | None = _number(
        _SPECIMEN, "mm^3", "Volume of the implant before implantation", 9.6, (1e-3, 1e5),
        gt=0, le=1e9,
    )  # fmt: skip
    initial_surface_mm2: float | None = _number(
        _SPECIMEN, "mm^2", "Surface of the implant before implantation", 39.5, (1e-2, 1e5),
        gt=0, le=1e9,
    )  # fmt: skip
    facility: str | None = _text(_ACQUISITION, "Synchrotron or laboratory", "PETRA III")
    beamline: str | None = _text(_ACQUISITION, "Beamline or instrument", "P05")
    proposal: str | None = _text(_ACQUISITION, "Number of the proposal", "20190013")
    beam: Beam | None = _text(_ACQUISITION, "Bandwidth of the beam", "monochromatic")
    energy_kev: float | None = _number(
        _ACQUISITION, "keV", "Photon energy; the mean one of a pink or white beam", 38, (1, 1000),
        gt=0, le=100_000,
    )  # fmt: skip
    distance_mm: float | None = _number(
        _ACQUISITION, "mm", "Distance from the sample to the detector", 50, (0.1, 50_000),
        gt=0, le=1e6,
    )  # fmt: skip
    exposure_ms: float | None = _number(
        _ACQUISITION, "ms", "Exposure time of one projection", 500, (1e-3, 600_000),
        gt=0, le=86_400_000,
    )  # fmt: skip
    projections: int | None = _number(
        _ACQUISITION, "", "Number of projections", 1201, (30, 100_000), ge=1, le=10_000_000
    )
    scintillator: str | None = _text(_ACQUISITION, "Scintillator", "CdWO4, 100 µm")
    optics: str | None = _text(_ACQUISITION, "Objective or magnification", "5x")
    camera: str | None = _text(_ACQUISITION, "Camera", "KIT CMV20000")
    camera_pixel_um: float | None = _number(
        _ACQUISITION, "um", "Edge length of a pixel of the camera, without optics", 6.4, (0.5, 500),
        gt=0, le=10_000,
    )  # fmt: skip
    camera_bits: int | None = _number(
        _ACQUISITION, "", "Bits per pixel of the camera", 12, (8, 32), ge=1, le=64
    )
    reconstruction_program: str | None = _text(
        _PROCESSING, "Program that reconstructed the scan", "tomopy"
    )
    reconstruction_version: str | None = _text(_PROCESSING, "Version of that program", "1.15.2")

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> MetadataValue:
        key = METADATA_KEYS[str(info.field_name)]
        if key.kind == "text":
            return read_text(value, key.name, key.choices)
        if key.kind == "count":
            return read_count(value, key.name)
        return read_number(value, key.name, key.unit, zero=key.name == "implantation_days")


@dataclass(frozen=True)
class MetadataKey:
    """What the schema says of one key; its limits are in `metadata_schema`.

    Parameters
    ----------
    name : str
        The key, with the unit at its end where it has one: ``"energy_kev"``.
    description : str
        What it means.
    kind : {"text", "number", "count"}
        What its values are; a count is a whole number.
    unit : str
        The unit of a number, as `srseg.units.parse_quantity` takes it; may be empty.
    section : {"Specimen", "AcquisitionParameters", "ProcessingParameters"}
        The object of the sidecar in which it is kept.
    example : str, int or float
        A value.
    choices : tuple of str
        The allowed texts; any where it is empty.
    usual : tuple of float or None
        From and to where the numbers of real scans lie; others are taken, with a warning.
    """

    name: str
    description: str
    kind: Literal["text", "number", "count"]
    unit: str
    section: Section
    example: MetadataValue
    choices: tuple[str, ...]
    usual: tuple[float, float] | None

    @property
    def stem(self) -> str:
        """The key without its unit: ``"energy"``; values given under it must say their unit."""
        return self.name.rpartition("_")[0] if self.unit else self.name

    def parse(self, value: object, *, where: str) -> MetadataValue:
        """Check a value and bring it into the unit of the key.

        Parameters
        ----------
        value : object
            A text or a number; a number without a unit is in that of the key.
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

        Examples
        --------
        >>> METADATA_KEYS["energy_kev"].parse("0.038 MeV", where="my notes")
        38.0
        """
        found, problems = validate({self.name: value})
        if problems:
            raise ParameterError(f"{where}: {problems[self.name]}")
        return found[self.name]


def _describe(name: str, field: FieldInfo) -> MetadataKey:
    about: Any = field.json_schema_extra
    (kind,) = (t for t in get_args(field.annotation) if t is not NoneType)
    return MetadataKey(
        name=name,
        description=str(field.description),
        kind="number" if kind is float else "count" if kind is int else "text",
        unit=about.get("unit", ""),
        section=about["section"],
        example=(field.examples or [""])[0],
        choices=get_args(kind),
        usual=tuple(about["usual"]) if "usual" in about else None,
    )


METADATA_KEYS: dict[str, MetadataKey] = {
    name: _describe(name, field) for name, field in SampleMetadata.model_fields.items()
}
"""The keys that srseg knows, by name."""

SampleMetadata.__doc__ = f"{SampleMetadata.__doc__}\n    Parameters\n    ----------\n" + "".join(
    f"    {k.name} : {'str' if k.kind == 'text' else 'float' if k.kind == 'number' else 'int'}"
    f", optional\n        {k.description}{f' ({k.unit})' if k.unit else ''}.\n"
    for k in METADATA_KEYS.values()
)


def validate(
    values: Mapping[str, object],
) -> tuple[dict[str, MetadataValue], dict[str, str]]:
    """Check values by full key; give the good ones, and what is wrong with the others."""
    problems: dict[str, str] = {}
    try:
        found = SampleMetadata.model_validate(dict(values))
    except ValidationError as error:
        problems = {
            str(e["loc"][0]): _explain(str(e["loc"][0]), e) for e in error.errors(include_url=False)
        }
        good = {name: value for name, value in values.items() if name not in problems}
        found = SampleMetadata.model_validate(good)
    return (
        {name: getattr(found, name) for name in values if name not in problems},
        {name: problems[name] for name in values if name in problems},
    )


def _explain(name: str, error: Any) -> str:
    """Say in words what pydantic found."""
    cause = error.get("ctx", {}).get("error")
    if cause is not None:
        return str(cause)
    key = METADATA_KEYS[name]
    unit = f" {key.unit}" if key.unit else ""
    if error["type"] == "less_than_equal":
        return (
            f"{name}: {error['input']:g}{unit} cannot be; at most {error['ctx']['le']:g}{unit} is "
            "possible. Is the unit right?"
        )
    return (
        f"{name} must be positive and finite{unit and f' ({key.unit})'}, found {error['input']!r}"
    )


def unusual_metadata(metadata: Mapping[str, MetadataValue]) -> list[str]:
    """Say which numbers no scan has: mostly a slip in the prefix of a unit.

    Parameters
    ----------
    metadata : mapping
        Checked values by full key.

    Returns
    -------
    list of str
        A sentence for each.
    """
    found = []
    for name, value in metadata.items():
        key = METADATA_KEYS.get(name)
        if key is None or key.usual is None or isinstance(value, str):
            continue
        low, high = key.usual
        if not low <= value <= high:
            unit = f" {key.unit}" if key.unit else ""
            found.append(
                f"{name}: {value:g}{unit} is unusual, scans have {low:g} to {high:g}{unit}; "
                "is it right?"
            )
    return found
