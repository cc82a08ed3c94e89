"""What the implant has lost, and how fast (Eq. 1 of the paper, with the time below the line)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from srseg.quantification._initial import InitialImplant

DAYS_PER_YEAR = 365.25


class Loss(NamedTuple):
    """Volume loss in mm³, as a share of the initial volume in %, and the rate in mm/year."""

    volume: float
    fraction: float
    rate: float


def volume_loss(residual_mm3: float, initial: InitialImplant | None, days: float | None) -> Loss:
    """Compare the residual material with the implant before implantation.

    Degradation rate = (initial volume - residual volume) / (initial surface * time). Equation 1 of
    the paper prints the time outside of the fraction; only the division has the unit mm/year.

    Parameters
    ----------
    residual_mm3 : float
        Volume of the residual material.
    initial : InitialImplant or None
        The implant before; None where it is unknown.
    days : float or None
        How long it was implanted; 0 for never, None where it is unknown.

    Returns
    -------
    Loss
        NaN where something is unknown, and the rate of 0 days; negative where there is more metal
        than there was.

    Raises
    ------
    ParameterError
        If the days are negative or not finite.

    Examples
    --------
    >>> from srseg.quantification import InitialImplant
    >>> volume_loss(1.0, InitialImplant(2.0, 10.0, "metadata"), 365.25)
    Loss(volume=1.0, fraction=50.0, rate=0.1)
    """
    if days is not None and not (math.isfinite(days) and days >= 0):
        raise ParameterError(
            f"days: how long the implant was in the body cannot be {days!r}; give 0 for an implant "
            "that never was, and leave it out where it is unknown"
        )
    if initial is None:
        return Loss(math.nan, math.nan, math.nan)
    lost = initial.volume_mm3 - residual_mm3
    rate = math.nan if not days else lost / (initial.surface_mm2 * days / DAYS_PER_YEAR)
    return Loss(lost, 100 * lost / initial.volume_mm3, rate)
