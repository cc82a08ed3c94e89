"""All that implant numbers depend on beside the labels."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from srseg.cli._options import is_number

if TYPE_CHECKING:
    from srseg.labels import LabelTable
    from srseg.quantification import InitialImplant, Measures, Roles
    from srseg.volumes import Volume

DISTANCES = (50.0, 100.0, 200.0, 500.0)
"""Within which BV/TV is measured, in µm."""


@dataclass(frozen=True)
class QuantifySettings:
    """What the options of ``srseg quantify`` say, for samples and for label files alike."""

    bone: str = "bone"
    layer: str = "degradation layer"
    residual: str = "residual material"
    distances: tuple[float, ...] = DISTANCES
    neighbourhood: Literal[6, 18, 26] = 6
    crack_width: float | None = None
    days: float | None = None
    initial: "InitialImplant | None" = None
    max_memory: int | None = field(default=None, compare=False)

    @property
    def roles(self) -> "Roles":
        """Which classes are what; "none" where the table has no such class."""
        from srseg.quantification import Roles

        return Roles(
            bone=None if self.bone == "none" else _class(self.bone),
            layer=None if self.layer == "none" else _class(self.layer),
            residual=_class(self.residual),
        )

    def check(self, table: "LabelTable") -> None:
        """Refuse roles that no class of a table can play, before anything is measured."""
        self.roles.resolve(table)

    def request(self, initial: "InitialImplant | None", days: float | None) -> dict[str, Any]:
        """Say what is asked for, as plain data: measures of another request are made again."""
        implant = initial and {
            "volume_mm3": initial.volume_mm3, "surface_mm2": initial.surface_mm2,
            "source": initial.source,
        }  # fmt: skip
        return {
            "bone": self.bone, "layer": self.layer, "residual": self.residual,
            "distances_um": list(self.distances), "neighbourhood": self.neighbourhood,
            "crack_width_um": self.crack_width, "initial": implant, "days": days,
        }  # fmt: skip

    def measure(
        self, labels: "Volume", initial: "InitialImplant | None", days: float | None
    ) -> "Measures":
        """Measure a label volume."""
        from srseg.quantification import measure

        return measure(
            labels,
            roles=self.roles,
            implant=initial,
            days=days,
            distances=self.distances,
            neighbourhood=self.neighbourhood,
            crack_width=self.crack_width,
            max_memory=self.max_memory,
        )


def _class(text: str) -> str | int:
    return int(text) if is_number(text) else text


def parse_neighbourhood(number: int) -> Literal[6, 18, 26]:
    """Read how many neighbours a voxel has."""
    known: dict[int, Literal[6, 18, 26]] = {6: 6, 18: 18, 26: 26}
    if number not in known:
        raise typer.BadParameter(
            f"{number} is not 6 (faces), 18 (and edges) or 26 (and corners)",
            param_hint="--neighbourhood",
        )
    return known[number]


def parse_distances(texts: list[str] | None) -> tuple[float, ...]:
    """Read distances with their units, in µm, sorted; each once."""
    found = {parse(text, "um", "--distance") for text in texts or []}
    return tuple(sorted(found)) or DISTANCES


def parse(text: str, unit: str, option: str) -> float:
    """Read a quantity of an option; a wrong one is an error of usage."""
    from srseg.errors import ParameterError
    from srseg.units import parse_quantity

    try:
        return parse_quantity(text, unit, name=option)
    except ParameterError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def parse_days(number: float | None) -> float | None:
    """Read the time of implantation."""
    if number is not None and not (math.isfinite(number) and number > 0):
        raise typer.BadParameter(f"{number:g} must be positive and finite", param_hint="--days")
    return number


def initial_implant(
    *,
    labels: Path | None,
    labels_voxel_size: float | None,
    mesh: Path | None,
    mesh_unit: str,
    volume: str | None,
    surface: str | None,
    settings: QuantifySettings,
) -> "InitialImplant | None":
    """Give the implant before implantation as the options have it; None where they say nothing."""
    from srseg.quantification import InitialImplant, implant_from_labels, implant_from_mesh

    given = {
        "--reference-labels": labels is not None,
        "--mesh": mesh is not None,
        "--initial-volume with --initial-surface": volume is not None or surface is not None,
    }
    ways = [way for way, said in given.items() if said]
    if len(ways) > 1:
        raise typer.BadParameter(
            f"{' and '.join(ways)}: say once what the implant was", param_hint="--mesh"
        )
    if labels_voxel_size is not None and labels is None:
        raise typer.BadParameter(
            "is for the voxels of --reference-labels", param_hint="--reference-voxel-size"
        )
    if mesh is not None:
        return implant_from_mesh(mesh, unit=mesh_unit)
    if labels is not None:
        from srseg.io import open_volume

        reference = open_volume(labels, voxel_size=labels_voxel_size, labels=True)
        return implant_from_labels(reference, roles=settings.roles, name=labels.name)
    if not ways:
        return None
    if volume is None or surface is None:
        raise typer.BadParameter(
            "the degradation rate needs both the volume and the surface of the implant before "
            "implantation",
            param_hint="--initial-volume" if volume is None else "--initial-surface",
        )
    mm3 = parse(volume, "mm^3", "--initial-volume")
    mm2 = parse(surface, "mm^2", "--initial-surface")
    return InitialImplant(mm3, mm2, "given as numbers")
