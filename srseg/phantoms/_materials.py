"""How strongly the materials of an explant attenuate X-rays."""

from __future__ import annotations

from typing import Literal

import numpy as np

from srseg.errors import ParameterError, UnknownNameError

__all__ = ["ALLOYS", "DENSITY", "Material", "attenuation"]

Material = Literal["water", "soft tissue", "marrow", "bone", "Mg-5Gd", "Mg-10Gd"]

_ENERGIES = (20.0, 30.0, 40.0, 50.0)
# mass attenuation coefficients in cm²/g at those energies: NIST, see the docstring of attenuation
_MASS_ATTENUATION = {
    "water": (0.810, 0.376, 0.268, 0.227),
    "soft tissue": (0.823, 0.379, 0.269, 0.226),
    "marrow": (0.568, 0.306, 0.240, 0.212),
    "bone": (4.00, 1.33, 0.666, 0.424),
    "Mg": (2.76, 0.931, 0.488, 0.329),
    "Gd": (43.6, 14.8, 6.92, 3.86),
}
DENSITY: dict[str, float] = {
    "water": 1.00,
    "soft tissue": 1.06,
    "marrow": 0.95,
    "bone": 1.92,
    "Mg-5Gd": 1.81,
    "Mg-10Gd": 1.88,
}
"""Mass densities in g/cm³."""

ALLOYS: dict[str, float] = {"Mg-5Gd": 0.05, "Mg-10Gd": 0.10}
"""Mass fraction of gadolinium in the alloys of the paper (Table 1)."""


def attenuation(material: str, energy_kev: float) -> float:
    """Give the linear attenuation coefficient of a material, in 1/cm.

    ==================  =======  =======================================  ==============
    material            g/cm³    cm²/g at 20, 30, 40, 50 keV              1/cm at 38 keV
    ==================  =======  =======================================  ==============
    water               1.00     0.810, 0.376, 0.268, 0.227               0.28
    soft tissue         1.06     0.823, 0.379, 0.269, 0.226               0.30
    marrow (adipose)    0.95     0.568, 0.306, 0.240, 0.212               0.24
    cortical bone       1.92     4.00, 1.33, 0.666, 0.424                 1.45
    magnesium           1.74     2.76, 0.931, 0.488, 0.329                0.95
    gadolinium          7.90     43.6, 14.8, 6.92, 3.86                   62
    Mg-5Gd              1.81     mass fractions 0.95 Mg, 0.05 Gd          1.68
    Mg-10Gd             1.88     mass fractions 0.90 Mg, 0.10 Gd          2.42
    ==================  =======  =======================================  ==============

    The mass attenuation coefficients are rounded from Hubbell and Seltzer, *Tables of X-Ray Mass
    Attenuation Coefficients* (NIST Standard Reference Database 126): the elements, and the ICRU-44
    mixtures liquid water, soft tissue, adipose tissue and cortical bone. Between the energies they
    are interpolated linearly in their logarithms. The range ends below gadolinium's K edge at
    50.24 keV. The densities of the alloys follow from the rule of mixtures for the volumes of
    magnesium and gadolinium, rounded; all values are approximate, which is enough for a phantom.

    Parameters
    ----------
    material : str
        One of the tissues and alloys of the table.
    energy_kev : float
        Photon energy, 20 to 50 keV.

    Returns
    -------
    float
        Linear attenuation coefficient in 1/cm.

    Raises
    ------
    UnknownNameError
        If the material is not in the table.
    ParameterError
        If the energy lies outside the table.

    Examples
    --------
    >>> round(attenuation("bone", 40.0), 2)
    1.28
    """
    if material not in DENSITY:
        raise UnknownNameError(
            f"no attenuation is known for {material!r}; known are: {', '.join(sorted(DENSITY))}"
        )
    if not _ENERGIES[0] <= energy_kev <= _ENERGIES[-1]:
        raise ParameterError(
            f"energy_kev: {energy_kev:g} keV lies outside the table of attenuation "
            f"coefficients; allowed are {_ENERGIES[0]:g} to {_ENERGIES[-1]:g} keV"
        )
    if material in ALLOYS:
        gd = ALLOYS[material]
        mass = (1 - gd) * _interpolate("Mg", energy_kev) + gd * _interpolate("Gd", energy_kev)
    else:
        mass = _interpolate(material, energy_kev)
    return mass * DENSITY[material]


def _interpolate(name: str, energy_kev: float) -> float:
    table = np.log(_MASS_ATTENUATION[name])
    return float(np.exp(np.interp(np.log(energy_kev), np.log(_ENERGIES), table)))
