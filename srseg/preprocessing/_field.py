"""Find the circle of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srseg.volumes import FieldOfView, Volume


def find_field(volume: Volume) -> FieldOfView | None:  # noqa: ARG001
    """Find the circle outside of which the slices of a scan are 0 or NaN.

    Parameters
    ----------
    volume : Volume
        The scan.

    Returns
    -------
    FieldOfView or None
        The field; None where the slices are filled to their corners.
    """
    return None
