"""From a label volume to implant numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.labels import UNLABELLED
from srseg.quantification import _texts as texts
from srseg.quantification._loss import DAYS_PER_YEAR, volume_loss
from srseg.quantification._measure import Measure, Measures
from srseg.quantification._roles import Roles
from srseg.quantification._surface import crofton_area
from srseg.quantification._thickness import MOST_POINTS, layer_gaps, pit_gaps
from srseg.quantification._walks import Found, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.quantification._contact import Neighbourhood
    from srseg.quantification._initial import InitialImplant
    from srseg.volumes import Volume

_DISTANCES = (50.0, 100.0, 200.0, 500.0)  # µm


def measure(
    labels: Volume,
    *,
    roles: Roles = Roles(),  # noqa: B008 - it is frozen
    implant: InitialImplant | None = None,
    days: float | None = None,
    distances: Sequence[float] = _DISTANCES,
    neighbourhood: Neighbourhood = 6,
    crack_width: float | None = None,
    max_memory: int | None = None,
) -> Measures:
    """Turn a label volume into implant numbers.

    The labels are walked through twice, slab by slab: once through everything, and once through the
    box around the implant and the largest distance. How they are cut changes nothing.

    Parameters
    ----------
    labels : Volume
        The labels, with their table; voxels need not be cubes. Unlabelled voxels (255) are never
        counted, and what lies next to them is no surface.
    roles : Roles, optional
        Which classes are bone, degradation layer and residual material.
    implant : InitialImplant, optional
        The implant before implantation: for the volume loss and the degradation rate.
    days : float, optional
        How long it was implanted: for the degradation rate, which 0 days have none of.
    distances : sequence of float, default=(50, 100, 200, 500)
        Distances to the implant, in µm, within which the bone fraction is measured.
    neighbourhood : {6, 18, 26}, default=6
        Which voxels touch: those that share a face, an edge, or a corner.
    crack_width : float, optional
        Background in the implant that is narrower than this, in µm, is a crack. 50 µm, but at least
        two voxels, where it is None.
    max_memory : int, optional
        Bytes that slabs and distances may take; the labels are read in several columns where they
        need more. Half of the free memory, at most 3 GB, where it is None. The points on surfaces,
        some 100 bytes for each voxel of a surface, come on top.

    Returns
    -------
    Measures
        The numbers, each with its definition.

    Raises
    ------
    LabelError
        If the labels have no table, hold a value that it lacks, or it lacks a class for a role.
    ParameterError
        If a distance, the width of cracks, the days or the neighbourhood cannot be.
    NotEnoughMemoryError
        If not even a narrow column fits into `max_memory`.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.labels import DEFAULT_LABELS
    >>> from srseg.volumes import Volume
    >>> labels = np.zeros((40, 40, 40), np.uint8)
    >>> labels[10:30, 10:30, 10:30] = 3
    >>> labels[10:30, 10:30, 30:] = 1
    >>> found = measure(Volume.from_array(labels, 10.0, table=DEFAULT_LABELS), distances=[50])
    >>> round(found["implant_volume"].value, 6), found["implant_volume"].unit
    (0.008, 'mm³')
    """
    # what cannot be is found before an hour is spent
    volume_loss(0.0, implant, days)
    found = walk(labels, roles, distances, neighbourhood, crack_width, max_memory, smoothed=True)
    entries = _Entries(labels, found, neighbourhood)
    entries.volumes()
    entries.surfaces()
    entries.loss(implant, days)
    entries.contact()
    entries.fractions(distances)
    entries.layer()
    entries.pits()
    entries.cracks()
    return Measures(tuple(entries.done), _facts(labels, found))


def _facts(labels: Volume, found: Found) -> dict[str, Any]:
    unlabelled = found.counts.voxels[UNLABELLED]
    return {
        "voxel_size_um": list(labels.grid.voxel_size),
        "shape": list(labels.shape),
        "counted_voxels": int(labels.grid.n_voxels - unlabelled),
        "unlabelled_voxels": int(unlabelled),
        "roles": asdict(found.roles),
        "classes": {c.name: c.value for c in found.table},
        "software": f"srseg {__version__}",
    }


class _Entries:
    """The measures, made one after the other."""

    def __init__(self, labels: Volume, found: Found, neighbourhood: Neighbourhood) -> None:
        self.done: list[Measure] = []
        self.found, self.near, self.neighbourhood = found, found.near, neighbourhood
        self.shape, self.voxel_size = labels.shape, labels.grid.voxel_size
        self.voxel_mm3 = math.prod(self.voxel_size) * 1e-9
        unlabelled = found.counts.voxels[UNLABELLED]
        self.unlabelled = texts.unlabelled(unlabelled, labels.grid.n_voxels) if unlabelled else ""
        self.cut = texts.CUT if self.near and found.counts.cut_by(self.shape) else ""
        self.absent = "" if self.near else texts.NO_IMPLANT

    def add(
        self, name: str, title: str, value: float, unit: str, definition: str,
        *notes: str, **settings: Any,
    ) -> None:  # fmt: skip
        said = [note for note in (*notes, self.unlabelled) if note]
        kept = {"voxel_size_um": list(self.voxel_size), **settings}
        self.done.append(
            Measure(name, title, float(value), unit, definition, kept, note="; ".join(said))
        )

    def mm3(self, *values: int) -> float:
        return sum(self.found.counts.voxels[v] for v in values) * self.voxel_mm3

    def volumes(self) -> None:
        for entry in self.found.table.foreground:
            cut = self.cut if entry.value in self.found.roles.implant else ""
            self.add(
                f"volume_{entry.key}", f"Volume of {entry.name}", self.mm3(entry.value), "mm³",
                texts.VOLUME, cut, **{"class": entry.name},
            )  # fmt: skip
        self.add(
            "implant_volume", "Implant volume", self.mm3(*self.found.roles.implant), "mm³",
            texts.IMPLANT_VOLUME, self.cut, self.absent,
        )  # fmt: skip

    def surfaces(self) -> None:
        for row, (name, title, definition) in enumerate(texts.SURFACES):
            area = crofton_area(self.found.counts.half_crossings[row], self.voxel_size)
            self.add(
                name, title, area * 1e-6, "mm²", definition, self.cut, self.absent, directions=13
            )

    def loss(self, implant: InitialImplant | None, days: float | None) -> None:
        lost = volume_loss(self.mm3(self.found.roles.residual), implant, days)
        settings: dict[str, Any] = {}
        no_implant = no_days = negative = ""
        if implant is None:
            no_implant = texts.NO_INITIAL
        else:
            settings = {
                "initial_volume_mm3": implant.volume_mm3,
                "initial_surface_mm2": implant.surface_mm2,
                "initial_source": implant.source,
            }
            negative = texts.NEGATIVE_LOSS if lost.volume < 0 else ""
        notes = (no_implant, negative, self.cut, self.absent)
        self.add("volume_loss", "Volume loss", lost.volume, "mm³", texts.LOSS, *notes, **settings)
        self.add(
            "volume_loss_fraction", "Volume loss, share", lost.fraction, "%", texts.LOSS_FRACTION,
            *notes, **settings,
        )  # fmt: skip
        if days is None:
            no_days = texts.NO_DAYS
        else:
            no_days = "" if days else texts.NEVER
            settings["days"] = days
        self.add(
            "degradation_rate", "Degradation rate", lost.rate, "mm/year", texts.RATE,
            no_implant, no_days, negative, self.cut, self.absent,
            days_per_year=DAYS_PER_YEAR, **settings,
        )  # fmt: skip

    def contact(self) -> None:
        boundary = self.found.counts.boundary
        no_bone = texts.NO_BONE if self.found.roles.bone is None else ""
        value = math.nan if no_bone else _percent(boundary.bone, boundary.boundary)
        self.add(
            "bone_implant_contact", "BIC", value, "%", texts.CONTACT,
            no_bone, self.absent or ("" if boundary.boundary else texts.NO_BOUNDARY), self.cut,
            neighbourhood=self.neighbourhood, boundary_voxels=int(boundary.boundary),
            contact_voxels=int(boundary.bone),
        )  # fmt: skip
        area = self.near.contact.area if self.near else 0.0
        bone = self.near.contact.bone if self.near else 0.0
        value = math.nan if no_bone else _percent(bone, area)
        self.add(
            "bone_implant_contact_surface", "BIC, smoothed surface", value, "%",
            texts.CONTACT_SURFACE, no_bone, self.absent or ("" if area else texts.NO_BOUNDARY),
            self.cut,
            sigma_um=self.found.sigma, surface_mm2=area * 1e-6,
        )  # fmt: skip

    def fractions(self, distances: Sequence[float]) -> None:
        no_bone = texts.NO_BONE if self.found.roles.bone is None else ""
        for number, distance in enumerate(distances):
            total = int(self.near.total[number]) if self.near else 0
            bone = int(self.near.bone[number]) if self.near else 0
            # the region may touch the border, as long as it does not reach beyond
            steps = [math.floor(distance / v * (1 + 1e-9)) - 1 for v in self.voxel_size]
            cut = self.near is not None and self.found.counts.cut_by(self.shape, steps)
            self.add(
                f"bone_fraction_{distance:g}um", f"BV/TV within {distance:g} µm",
                math.nan if no_bone else _percent(bone, total), "%", texts.FRACTION,
                no_bone, self.absent or ("" if total else texts.NO_REGION),
                texts.REGION_CUT if cut else "",
                distance_um=float(distance), region_mm3=total * self.voxel_mm3,
            )  # fmt: skip

    def layer(self) -> None:
        layer = layer_gaps(self.near, self.voxel_size, MOST_POINTS) if self.near else None
        note = "" if layer else self.absent or texts.NO_RESIDUAL
        if self.found.roles.layer is None:
            layer, note = None, texts.NO_LAYER
        for name, title, definition, kind in texts.LAYER:
            value = getattr(layer, kind) if layer else math.nan
            self.add(
                name, title, value, "µm", definition, note, self.cut,
                crack_width_um=self.found.crack_width,
                points=len(layer.areas) if layer else 0,
            )  # fmt: skip

    def pits(self) -> None:
        pits = pit_gaps(self.near, self.voxel_size, MOST_POINTS) if self.near else None
        note = "" if pits else self.absent or texts.NO_RESIDUAL
        if self.found.roles.layer is None:
            pits, note = None, texts.NO_BEFORE
        deepest = pits.largest if pits else math.nan
        mean = pits.mean if pits else math.nan
        settings = {
            "crack_width_um": self.found.crack_width,
            "initial_surface": "outer surface of the implant",
            "points": len(pits.areas) if pits else 0,
        }
        self.add(
            "pit_depth", "Pit depth", deepest, "µm", texts.PIT_DEPTH, note, self.cut, **settings
        )
        self.add(
            "pitting_factor", "Pitting factor", deepest / mean if mean else math.nan, "",
            texts.PITTING_FACTOR, note or ("" if mean else texts.NO_PITS), self.cut,
            mean_depth_um=mean if pits else None, **settings,
        )  # fmt: skip

    def cracks(self) -> None:
        voxels = self.near.crack_voxels if self.near else 0
        value = voxels * self.voxel_mm3 if self.near else math.nan
        self.add(
            "crack_volume", "Crack volume", value, "mm³", texts.CRACKS, self.absent, self.cut,
            crack_width_um=self.found.crack_width,
        )  # fmt: skip


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else math.nan
