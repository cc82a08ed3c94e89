"""Labels as bits: each voxel says at once what it is for every measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.quantification._roles import ResolvedRoles

IMPLANT = np.uint8(1)
RESIDUAL = np.uint8(2)
BONE = np.uint8(4)
OUTSIDE = np.uint8(8)  # labelled, and not implant
BACKGROUND = np.uint8(16)
UNKNOWN = np.uint8(32)  # unlabelled


def lookup(table: LabelTable, roles: ResolvedRoles) -> NDArray[np.uint8]:
    """Give the bits of each value of 0 to 255."""
    bits = np.zeros(256, np.uint8)
    for value in table.values:
        bits[value] = IMPLANT if value in roles.implant else OUTSIDE
    bits[roles.residual] |= RESIDUAL
    bits[table.values[0]] |= BACKGROUND
    if roles.bone is not None:
        bits[roles.bone] |= BONE
    bits[UNLABELLED] = UNKNOWN
    return bits
