"""The schema as a document: JSON Schema, and the version that stands in each sidecar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from srseg.dataset._metadata.schema import EXTRA, SECTIONS, SampleMetadata
from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA_VERSION = "1.0"
"""The version of the schema: a new major one has a key that the old one would misread."""


class _Plain(GenerateJsonSchema):
    """A key that is not known is left out of a sidecar: there is no null, and no default."""

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def metadata_schema() -> dict[str, Any]:
    """Give the JSON Schema of the metadata in the sidecar of a sample.

    Returns
    -------
    dict
        A JSON Schema (2020-12) of the objects ``Specimen``, ``AcquisitionParameters``,
        ``ProcessingParameters`` and ``Extra``. Beside the words of JSON Schema, a key has its
        ``unit`` and, as ``usual``, from and to where the values of real scans lie.

    Examples
    --------
    >>> sections = metadata_schema()["properties"]
    >>> sections["AcquisitionParameters"]["properties"]["energy_kev"]["unit"]
    'keV'
    """
    keys = SampleMetadata.model_json_schema(schema_generator=_Plain)["properties"]
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, about in keys.items():
        section = about.pop("section")
        about.pop("title", None)
        sections[section][name] = about
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Metadata in the sidecar of a sample",
        "version": SCHEMA_VERSION,
        "type": "object",
        "properties": {
            "SchemaVersion": {"type": "string", "pattern": r"^1\.[0-9]+$"},
            **{
                section: {"type": "object", "properties": properties}
                for section, properties in sections.items()
            },
            EXTRA: {
                "type": "object",
                "description": "Keys of the study's own",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
        },
    }


def require_known_version(sidecar: Mapping[str, Any], path: Path) -> None:
    """Refuse a sidecar of a newer major version; one without a version is of the first.

    Raises
    ------
    FileFormatError
        If this srseg could misread it.
    """
    version = sidecar.get("SchemaVersion", "1.0")
    found = (
        re.fullmatch(r"([1-9][0-9]{0,5})\.[0-9]{1,6}", version)
        if isinstance(version, str)
        else None
    )
    if found is None:
        raise FileFormatError(
            f"{path}: SchemaVersion is {version!r}; a version is a text such as "
            f"{SCHEMA_VERSION!r}. Correct it there, or take the file from a backup"
        )
    if int(found[1]) > int(SCHEMA_VERSION.partition(".")[0]):
        raise FileFormatError(
            f"{path} has metadata of version {version}, and this srseg knows {SCHEMA_VERSION}: it "
            "was written by a newer srseg. Install that one to work with this sample"
        )
