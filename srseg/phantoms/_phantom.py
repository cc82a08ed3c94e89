"""A synthetic explant: its scan, the truth, and what a hurried annotator made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import DEFAULT_LABELS
from srseg.phantoms._beamline import Beamline, find_beamline
from srseg.phantoms._degradation import Corrosion, corrode
from srseg.phantoms._imaging import take_scan
from srseg.phantoms._implant import Implant, ImplantKind
from srseg.phantoms._materials import ALLOYS, DENSITY, attenuation
from srseg.phantoms._noise import smooth_field, stream
from srseg.phantoms._tissue import fit_mask, grow_bone, new_bone
from srseg.phantoms._workflow import degrade_labels
from srseg.volumes import ArraySample, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Phantom", "make_phantom"]

_SMALLEST = 40
_BONE, _LAYER, _METAL = 1, 2, 3


@dataclass(frozen=True)
class Phantom:
    """A synthetic explant with exact truth.

    Parameters
    ----------
    scan : Volume
        Grey values as a reconstruction gives them: uint16, not normalised.
    truth : Volume
        The exact labels: uint8, with `DEFAULT_LABELS`.
    wf : Volume
        Labels with the errors of the semi-automatic workflow: uint8, with `DEFAULT_LABELS`.
    metadata : dict
        What is known of the sample: ``seed``, ``alloy``, ``implant``, ``beamline``,
        ``energy_kev``, ``implantation_days``, ``initial_volume_mm3``, ``initial_surface_mm2``,
        ``wf_quality``, and ``bone_mask_offset`` where a mask was given.
    """

    scan: Volume
    truth: Volume
    wf: Volume
    metadata: dict[str, Any]

    def sample(self, name: str, subject: str = "") -> ArraySample:
        """Give the phantom as a sample with the label sets WF and HQ (the truth).

        Parameters
        ----------
        name : str
            Name of the sample.
        subject : str, default=""
            The subject; the name of the sample where it is empty.

        Returns
        -------
        ArraySample
            The sample; its target is WF.
        """
        return ArraySample(
            name, self.scan, {"WF": self.wf, "HQ": self.truth}, subject, metadata=self.metadata
        )


def make_phantom(
    seed: int,
    shape: tuple[int, int, int] = (128, 128, 128),
    *,
    voxel_size: float = 20.0,
    implant: ImplantKind = "screw",
    alloy: str = "Mg-5Gd",
    beamline: Beamline | str = "P05",
    bone_mask: NDArray[Any] | None = None,
    wf_quality: float = 0.5,
) -> Phantom:
    """Make a synthetic explant: an implant of a magnesium alloy, corroded, in bone.

    The sizes of all structures follow the shape of the volume, so that a small phantom shows the
    same as a large one; `voxel_size` only says how large it is meant to be. The same arguments
    give the same bytes. Seed, shape, implant and mask fix the sample; beamline and alloy change
    only its grey values, `wf_quality` only its WF labels.

    Parameters
    ----------
    seed : int
        Seed, not negative.
    shape : tuple of int, default=(128, 128, 128)
        Number of voxels along z, y, x; at least 40 each.
    voxel_size : float, default=20.0
        Edge length of a voxel, in µm.
    implant : {"screw", "pin"}, default="screw"
        The kind of implant; it stands along z with the head at z = 0, about 43 % as wide as the
        volume.
    alloy : {"Mg-5Gd", "Mg-10Gd"}, default="Mg-5Gd"
        The alloy.
    beamline : Beamline or {"P05", "I13-2"}, default="P05"
        Where the scan is made.
    bone_mask : ndarray of shape (Z, Y, X), optional
        A mask of real bone (not 0) that takes the place of the generated bone; a random piece of
        it where it is larger. New bone is still added to the implant's surface, within 0.4 radii.
    wf_quality : float, default=0.5
        Quality of the WF labels, from 0 (poor) to 1 (good); see `degrade_labels`.

    Returns
    -------
    Phantom
        Scan, truth, WF labels and metadata.

    Raises
    ------
    ParameterError
        If a number is out of range, the kind of implant unknown or the mask unfit.
    UnknownNameError
        If alloy or beamline is not known.

    Examples
    --------
    >>> phantom = make_phantom(0, (48, 48, 48))
    >>> phantom.scan
    Volume(scan, 48 x 48 x 48 uint16, voxel 20 x 20 x 20 µm)
    >>> sorted(phantom.sample("A").label_sets)
    ['HQ', 'WF']
    """
    _check(seed, shape, implant, alloy)
    where = find_beamline(beamline) if isinstance(beamline, str) else beamline
    rng = stream(seed, 0)
    body = Implant.place(implant, shape, rng)
    stage = float(rng.uniform(0.85, 1.2))
    box = body.box(shape, 0.45 * body.radius)
    depth = body.depth(box)
    corrosion = corrode(depth, body.radius, stage, rng)

    metadata: dict[str, Any] = {"seed": seed, "implant": implant, "alloy": alloy}
    rng = stream(seed, 1)
    if bone_mask is None:
        bone, outside = grow_bone(shape, body.radius, rng)
    else:
        bone, offset = fit_mask(np.asarray(bone_mask), shape, rng)
        outside = np.zeros(shape, bool)
        metadata["bone_mask_offset"] = offset
    collar = new_bone(depth, body.radius, rng) & ~outside[box] & ~bone[box]
    truth = bone.astype(np.uint8)
    part = truth[box]
    part[collar] = _BONE
    part[corrosion.gaps] = 0
    part[corrosion.layer] = _LAYER
    part[corrosion.metal] = _METAL
    del bone, depth

    rng = stream(seed, 2)
    mu, rho = _materials(truth, outside, box, collar, corrosion, alloy, where.energy_kev, rng)
    step = attenuation("bone", where.energy_kev) - attenuation("marrow", where.energy_kev)
    scan = take_scan(mu, rho, step, where, rng)
    del mu, rho
    wf = degrade_labels(truth, scan, quality=wf_quality, seed=seed)

    volume, surface = body.volume_and_surface()
    metadata |= {
        "beamline": where.name,
        "energy_kev": where.energy_kev,
        "implantation_days": round(84 * stage),
        "initial_volume_mm3": volume * (voxel_size / 1000) ** 3,
        "initial_surface_mm2": surface * (voxel_size / 1000) ** 2,
        "wf_quality": wf_quality,
    }
    return Phantom(
        Volume.from_array(scan, voxel_size),
        Volume.from_array(truth, voxel_size, table=DEFAULT_LABELS),
        Volume.from_array(wf, voxel_size, table=DEFAULT_LABELS),
        metadata,
    )


def _materials(
    truth: NDArray[np.uint8],
    outside: NDArray[np.bool_],
    box: tuple[slice, slice, slice],
    collar: NDArray[np.bool_],
    corrosion: Corrosion,
    alloy: str,
    energy: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give attenuation (1/cm) and density (g/cm³) of every voxel."""
    names = ["marrow", "bone", "bone", alloy]
    mu = np.array([attenuation(n, energy) for n in names], np.float32)[truth]
    rho = np.array([DENSITY[n] for n in names], np.float32)[truth]
    length = 0.08 * min(truth.shape)
    # marrow is fat and water in patches; bone is mineralised unevenly
    water = smooth_field(rng, truth.shape, length)
    bone = truth == _BONE
    mu *= np.where(bone, 0.8 + 0.04 * water, np.where(truth == 0, 1.06 + 0.06 * water, 1))
    soft = outside & (truth == 0)
    mu[soft] = attenuation("soft tissue", energy) * (1 + 0.05 * water[soft])
    rho[soft] = DENSITY["soft tissue"]
    del water, soft
    # cell lacunae, smaller than a voxel, darken single voxels of bone
    mu[bone & (smooth_field(rng, truth.shape, 1.0) > 2.0)] *= 0.8
    mu_part, rho_part = mu[box], rho[box]
    # new bone holds less mineral
    mu_part[collar & bone[box]] *= 0.9
    layer = corrosion.layer
    metal, mineral = attenuation(alloy, energy), 0.8 * attenuation("bone", energy)
    grade = corrosion.grade[layer]
    mu_part[layer] = metal + (mineral - metal) * grade
    rho_part[layer] = DENSITY[alloy] + (DENSITY["bone"] - DENSITY[alloy]) * grade
    mu_part[corrosion.gaps] = attenuation("water", energy)
    rho_part[corrosion.gaps] = DENSITY["water"]
    return mu, rho


def _check(seed: int, shape: tuple[int, int, int], implant: str, alloy: str) -> None:
    if seed < 0:
        raise ParameterError(f"seed: {seed} is negative; allowed are 0, 1, 2, …")
    if len(shape) != 3 or min(shape) < _SMALLEST:
        raise ParameterError(
            f"shape: {tuple(shape)} is too small for an implant in bone; "
            f"give three axes (z, y, x) of at least {_SMALLEST} voxels"
        )
    if implant not in ("screw", "pin"):
        raise ParameterError(f"implant: {implant!r} is not known; allowed are 'screw' and 'pin'")
    if alloy not in ALLOYS:
        raise UnknownNameError(f"no alloy {alloy!r}; known are: {', '.join(ALLOYS)}")
