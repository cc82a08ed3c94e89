"""What the implant was before it was implanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from srseg.errors import ParameterError


@dataclass(frozen=True)
class InitialImplant:
    """Volume and surface of the implant before implantation.

    Parameters
    ----------
    volume_mm3 : float
        Its volume, in mm³.
    surface_mm2 : float
        Its surface, in mm².
    source : str
        Where the numbers are from: ``"metadata"``, ``"reference labels …"``, ``"mesh file.stl"``.

    Raises
    ------
    ParameterError
        If a number is not positive and finite.
    """

    volume_mm3: float
    surface_mm2: float
    source: str

    def __post_init__(self) -> None:
        for name in ("volume_mm3", "surface_mm2"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(
                    f"{name} of the initial implant must be positive and finite, found {value!r} "
                    f"({self.source}); correct it, or leave the initial implant out"
                )
