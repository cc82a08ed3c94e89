"""What a file says of its scan, under the keys of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._metadata.parse import parse_metadata
from srseg.dataset._metadata.values import MetadataValue, clean_text
from srseg.errors import SRSegError

if TYPE_CHECKING:
    from srseg.io import ScanInfo

# what io finds in a file, and the key it is kept under
_HARVEST = {
    "instrument": "beamline",
    "source": "facility",
    "program": "reconstruction_program",
    "version": "reconstruction_version",
    "energy_keV": "energy_kev",
    **{
        name: name
        for name in (
            "proposal", "beam", "distance_mm", "exposure_ms", "projections", "scintillator",
            "optics", "camera", "camera_pixel_um", "camera_bits",
        )
    },
}  # fmt: skip


def harvest(info: ScanInfo) -> dict[str, MetadataValue]:
    """Give what is worth keeping of what a file says, by the archive's keys."""
    found: dict[str, MetadataValue] = {}
    for theirs, ours in _HARVEST.items():
        value = info.metadata.get(theirs)
        if value in (None, "", "n/a") or (theirs == "program" and value == "srseg"):
            continue
        try:
            text = clean_text(value, ours) if isinstance(value, str) else value
            found.update(parse_metadata({ours: text}, where=str(info.path)))
        except SRSegError:
            continue  # a beamline's free text is a help, not a condition
    return found
