"""The two beamlines of the paper, as far as they change a picture."""

from __future__ import annotations

from dataclasses import dataclass

from srseg.errors import UnknownNameError

__all__ = ["I13_2", "P05", "Beamline", "find_beamline"]


@dataclass(frozen=True)
class Beamline:
    """What a beamline does to the picture of a sample.

    Strengths are given relative to the grey step between bone and marrow, lengths in voxels.

    Parameters
    ----------
    name : str
        Its name.
    energy_kev : float
        Photon energy (of a pink beam, its mean), in keV.
    contrast : float
        Share of the attenuation contrast that reaches the picture: scatter and glare of the
        detector take the rest.
    noise : float
        Standard deviation of the noise.
    blur : float
        Standard deviation of the point spread function, in voxels.
    fringe : float
        Strength of the edge enhancement by free-space propagation.
    ring : float
        Standard deviation of the ring artefacts.
    shading : float
        Depth of the slow shading, cupping included.
    grey_scale : float
        Grey values per 1/cm.
    grey_offset : float
        Grey value of vacuum.
    """

    name: str
    energy_kev: float
    contrast: float
    noise: float
    blur: float
    fringe: float
    ring: float
    shading: float
    grey_scale: float
    grey_offset: float


P05 = Beamline(
    name="P05",
    energy_kev=38.0,
    contrast=1.0,
    noise=0.045,
    blur=0.7,
    fringe=1.6,
    ring=0.025,
    shading=0.05,
    grey_scale=9000.0,
    grey_offset=16000.0,
)
"""P05 (imaging beamline of PETRA III): monochromatic, 38 keV within its 25 to 46 keV."""

I13_2 = Beamline(
    name="I13-2",
    energy_kev=24.0,
    contrast=0.8,
    noise=0.065,
    blur=0.9,
    fringe=1.0,
    ring=0.04,
    shading=0.09,
    grey_scale=4200.0,
    grey_offset=12000.0,
)
"""I13-2 (Diamond): pink beam of mean energy 23 to 24 keV; less contrast, more noise and cupping."""


def find_beamline(name: str) -> Beamline:
    """Give a beamline by its name.

    Parameters
    ----------
    name : str
        ``"P05"`` or ``"I13-2"``.

    Returns
    -------
    Beamline
        The preset.

    Raises
    ------
    UnknownNameError
        If there is no preset of that name.

    Examples
    --------
    >>> find_beamline("I13-2").energy_kev
    24.0
    """
    presets = {b.name: b for b in (P05, I13_2)}
    if name not in presets:
        raise UnknownNameError(
            f"no beamline {name!r}; known are: {', '.join(presets)}. "
            "Another one can be given as a Beamline"
        )
    return presets[name]
