"""The formats of an export: how a file is called, written, and recognised again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import ParameterError, SRSegError
from srseg.io import (
    LARGEST_TIFF,
    Reading,
    describe,
    write_nexus,
    write_ome_zarr,
    write_volume,
)
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Grid, Volume

FormatName = Literal["ome-zarr", "ome-tif", "nexus", "tif"]

RECORD = "ExportedFrom"
"""The key of the provenance under which a file says what it was made of."""


@dataclass(frozen=True)
class ExportFormat:
    """What there is to know of a format.

    Parameters
    ----------
    name : str
        Its name on the command line.
    suffix : str
        Ending of the names of its files.
    labels_inside : bool
        Whether the label sets lie in the file of their scan.
    in_bids : bool
        Whether BIDS lists it.
    keeps_facts : bool, default=False
        Whether a file holds what is known of sample and acquisition.
    """

    name: FormatName
    suffix: str
    labels_inside: bool
    in_bids: bool
    keeps_facts: bool = False

    def suffix_of(self, volume: Volume) -> str:
        """Give the ending for one volume: BIDS has its own for a large OME-TIFF."""
        large = self.name == "ome-tif" and volume.nbytes > LARGEST_TIFF
        return ".ome.btf" if large else self.suffix

    def n_bytes(self, volume: Volume) -> int:
        """Estimate the size of a volume: of a scan at most, of labels as they are on the whole."""
        packed = volume.table is not None and self.name != "tif"
        if packed:
            return max(1, volume.nbytes // 4)
        return volume.nbytes * 8 // 7 if self.name == "ome-zarr" else volume.nbytes

    def lost(self, grid: Grid) -> str:
        """Say what a file of this format cannot hold of a grid, for those who do not read srseg's.

        Empty where it holds all.
        """
        turned = grid.direction != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        moved = any(grid.origin)
        if self.name in ("ome-zarr", "nexus"):
            where = (
                "the translation is along them" if self.name == "ome-zarr" else "they begin at 0"
            )
            return f"The axes of the volume are turned, and {where}; see Grid" if turned else ""
        if moved or turned:
            return "The file's format has no origin or direction of a volume; see Grid"
        return ""

    def write(
        self,
        path: Path,
        volume: Volume,
        labels: Mapping[str, Volume],
        *,
        facts: Mapping[str, Any],
        record: Mapping[str, Any],
        overwrite: bool,
        quantity: str = "",
    ) -> None:
        """Write a volume, with label sets where the format holds them."""
        provenance = {RECORD: record}
        if self.name == "ome-zarr":
            sets = {name.replace("/", "_"): one for name, one in labels.items()}
            write_ome_zarr(path, volume, labels=sets, provenance=provenance, overwrite=overwrite)
        elif self.name == "nexus":
            write_nexus(
                path, volume, labels=labels, facts=facts, provenance=provenance, quantity=quantity,
                overwrite=overwrite,
            )  # fmt: skip
        else:
            write_volume(path, volume, provenance=provenance, overwrite=overwrite)


FORMATS: dict[str, ExportFormat] = {
    one.name: one
    for one in (
        ExportFormat("ome-zarr", ".ome.zarr", labels_inside=True, in_bids=True),
        ExportFormat("ome-tif", ".ome.tif", labels_inside=False, in_bids=True),
        ExportFormat("nexus", ".nxs", labels_inside=True, in_bids=False, keeps_facts=True),
        ExportFormat("tif", ".tif", labels_inside=False, in_bids=True),
    )
}


def format_named(name: str) -> ExportFormat:
    """Give a format by its name.

    Raises
    ------
    ParameterError
        If there is none; lists those there are.
    """
    if name not in FORMATS:
        raise ParameterError(f"the format must be one of {', '.join(FORMATS)}, found {name!r}")
    return FORMATS[name]


def recorded(path: Path) -> Any:
    """Read what an exported file says it was made of; None where it does not say."""
    try:
        if path.is_dir():
            own = read_json(path / "zarr.json").get("attributes", {}).get("srseg", {})
            provenance = json.loads(own["provenance"])
        else:
            provenance = describe(path, Reading()).metadata["provenance"]
        return provenance[RECORD]
    except (SRSegError, KeyError, TypeError, ValueError, AttributeError):
        return None
