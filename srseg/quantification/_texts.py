"""What the implant numbers mean, in the words that stand beside them."""

from __future__ import annotations

VOLUME = "Number of voxels of the class times the volume of a voxel."
IMPLANT_VOLUME = "Voxels of degradation layer and residual material times the volume of a voxel."

_CROFTON = (
    "by Crofton's formula: crossings of lines along 13 directions, each weighted by its share of "
    "the sphere; flat faces along the axes of the grid come out 7 % too small, cylinders along one "
    "2 % (both more where voxels are no cubes), round and tilted shapes right; the border of the "
    "volume and unlabelled voxels are no surface"
)
SURFACES = (
    (
        "implant_surface",
        "Implant surface",
        f"Surface of layer and residual material together {_CROFTON}; walls of cracks count.",
    ),
    ("residual_surface", "Residual surface", f"Surface of the residual material {_CROFTON}."),
)

LOSS = "Initial volume of the implant minus the volume of the residual material."
LOSS_FRACTION = "Volume loss divided by the initial volume of the implant."
RATE = (
    "(initial volume - volume of the residual material) / (initial surface x time), a year being "
    "365.25 days."
)
CONTACT = (
    "Boundary voxels of the implant (degradation layer and residual material) with bone in their "
    "neighbourhood, divided by all boundary voxels: those with a labelled voxel outside of the "
    "implant in it. The walls of cracks count as boundary; the border of the volume and unlabelled "
    "voxels do not."
)
CONTACT_SURFACE = (
    "Share of the area of the implant's surface where the first voxel outside along the normal, "
    "within two standard deviations, is bone. The surface is that of marching cubes at 0.5 through "
    "the implant smoothed with a Gaussian; cracks of a voxel are closed by that, wider ones count."
)
FRACTION = (
    "Bone voxels divided by all labelled voxels outside of the implant whose centre is within the "
    "distance of the centre of an implant voxel."
)

_LAYER = (
    "of the distance from the outer surface of the implant to the nearest point of the surface of "
    "the residual material; cracks are closed over, bare metal counts as 0. Both surfaces are "
    "found between voxels, after smoothing by 1/4, 1/2, 1/4 along each axis"
)
LAYER = (
    ("layer_thickness", "Layer thickness", f"Mean over the area {_LAYER}.", "mean"),
    ("layer_thickness_sd", "Layer thickness, SD", f"Standard deviation over the area {_LAYER}.",
     "deviation"),
    ("layer_thickness_max", "Layer thickness, maximum", f"Largest {_LAYER}.", "largest"),
)  # fmt: skip
PIT_DEPTH = (
    "Largest distance from the surface of the residual material to the nearest point of the "
    "initial surface, which is taken to be the outer surface of the implant with cracks closed "
    "over: the degradation layer stands where metal was."
)
PITTING_FACTOR = (
    "Pit depth divided by the mean, over the area of the residual material's surface, of the "
    "distance to the initial surface (after ASTM G46: deepest by average penetration)."
)
CRACKS = (
    "Background voxels inside the closing of the implant with a ball whose diameter is the width "
    "of the widest crack: cracks, and all other gaps and notches as narrow."
)

CUT = "the implant reaches the border of the volume: what lies beyond is not measured"
REGION_CUT = "the region is cut by the border of the volume"
NO_IMPLANT = "there is no implant in the labels"
NO_BONE = "no class is bone"
NO_LAYER = "no class is the degradation layer"
NO_BEFORE = f"{NO_LAYER}, and only that shows where metal was"
NO_BOUNDARY = "the implant has no boundary with labelled voxels"
NO_REGION = "no labelled voxel lies within the distance"
NO_RESIDUAL = "there is no residual material, or no surface of it or of the implant in the volume"
NO_PITS = "the residual material lies bare everywhere"
NO_INITIAL = "volume and surface of the implant before implantation are not both known"
NO_DAYS = "the days of implantation are unknown"
NEVER = "the implant was never implanted (0 days), so that it has no rate"
NEGATIVE_LOSS = (
    "there is more residual material than there was implant before; check the initial volume"
)


def unlabelled(voxels: int, of: int) -> str:
    """Say how many voxels nobody labelled."""
    return f"{voxels} voxels ({100 * voxels / of:.3g} %) are unlabelled and not counted"
