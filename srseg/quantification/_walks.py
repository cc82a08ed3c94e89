"""Both walks through a label volume, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from srseg.errors import LabelError, ParameterError
from srseg.machine import usable_memory
from srseg.quantification._codes import lookup
from srseg.quantification._counts import Counts, count
from srseg.quantification._near import Near, Wanted, look_near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.labels import LabelTable
    from srseg.quantification._contact import Neighbourhood
    from srseg.quantification._roles import ResolvedRoles, Roles
    from srseg.volumes import Volume

_CRACK_WIDTH = 50.0  # µm
_MEMORY = 3 * 10**9  # bytes, where there is enough


class Found(NamedTuple):
    """What both walks found.

    Parameters
    ----------
    table : LabelTable
        The classes.
    roles : ResolvedRoles
        Which of them are what.
    counts : Counts
        Of the walk through everything.
    near : Near or None
        Of the walk around the implant; None where there is none.
    crack_width, sigma : float
        As they were taken, in µm.
    """

    table: LabelTable
    roles: ResolvedRoles
    counts: Counts
    near: Near | None
    crack_width: float
    sigma: float


def walk(
    labels: Volume,
    roles: Roles,
    distances: Sequence[float],
    neighbourhood: Neighbourhood,
    crack_width: float | None,
    max_memory: int | None,
    *,
    smoothed: bool,
) -> Found:
    """Check what was asked for, and walk through the labels twice: all, and around the implant."""
    table = labels.table
    if table is None:
        raise LabelError(
            f"{labels!r} has no label table, so that nobody knows which voxels are implant; "
            "open it as labels, or give the volume a table"
        )
    resolved = roles.resolve(table)
    if neighbourhood not in (6, 18, 26):
        raise ParameterError(
            f"neighbourhood: 6 (faces), 18 (and edges) or 26 (and corners), found {neighbourhood!r}"
        )
    widths = [] if crack_width is None else [crack_width]
    for name, values in (("distances", distances), ("crack_width", widths)):
        if not all(np.isfinite(v) and v > 0 for v in values):
            raise ParameterError(
                f"{name}: lengths in µm must be positive and finite, found {list(values)}"
            )
    if len({f"{d:g}" for d in distances}) < len(distances):
        raise ParameterError(f"distances: each once, found {list(distances)}")
    voxel = max(labels.grid.voxel_size)
    width = max(_CRACK_WIDTH, 2 * voxel) if crack_width is None else float(crack_width)
    if max_memory is None:
        free = usable_memory()
        max_memory = _MEMORY if free is None else min(_MEMORY, free // 2)
    counts = count(labels, table, resolved, neighbourhood)
    near = None
    if counts.high[0]:
        wanted = Wanted(
            tuple(float(d) for d in distances), width, voxel if smoothed else None, max_memory
        )
        near = look_near(labels, lookup(table, resolved), counts, wanted)
    return Found(table, resolved, counts, near, width, voxel)
