"""The implant before implantation: from metadata, from a reference scan, from a mesh."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import (
    FileFormatError,
    LabelError,
    MissingFileError,
    MissingPackageError,
    ParameterError,
    StorageError,
)
from srseg.labels import DEFAULT_LABELS, UNLABELLED, LabelTable
from srseg.quantification._counts import count
from srseg.quantification._initial import InitialImplant
from srseg.quantification._roles import Roles
from srseg.quantification._surface import crofton_area

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Volume

__all__ = ["MESH_UNITS", "implant_from_labels", "implant_from_mesh", "implant_from_metadata"]

MESH_UNITS = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
"""Lengths that an STL file may be in, in mm; the file itself does not say."""

_LARGEST = 256 << 20  # bytes of an STL file: five million triangles
_SMALLEST_MM, _LONGEST_MM = 0.05, 300.0  # edges of the box around an implant


def implant_from_metadata(metadata: Mapping[str, Any]) -> InitialImplant | None:
    """Give the implant before implantation as the metadata of a sample have it.

    Parameters
    ----------
    metadata : mapping
        With ``initial_volume_mm3`` and ``initial_surface_mm2``.

    Returns
    -------
    InitialImplant or None
        None where one of the two is not known.

    Examples
    --------
    >>> implant_from_metadata({"initial_volume_mm3": 9.6, "initial_surface_mm2": 39.5}).source
    'metadata'
    """
    volume, surface = (metadata.get(k) for k in ("initial_volume_mm3", "initial_surface_mm2"))
    if volume is None or surface is None:
        return None
    return InitialImplant(float(volume), float(surface), "metadata")


def implant_from_labels(
    labels: Volume, *, roles: Roles | None = None, name: str = ""
) -> InitialImplant:
    """Measure the implant on the labels of a scan from before implantation.

    Its volume is that of its voxels, its surface is estimated after Crofton, as for the implant
    after implantation.

    Parameters
    ----------
    labels : Volume
        Labels with residual material, or residual material and degradation layer; or a mask, in
        which everything that is not background is implant.
    roles : Roles, optional
        Which classes these are, where it is no mask.
    name : str, default=""
        The file, for `InitialImplant.source` and for messages.

    Returns
    -------
    InitialImplant
        Volume and surface.

    Raises
    ------
    LabelError
        If a value is not in the table, no voxel is implant, or the implant is cut by the border of
        the volume.

    Examples
    --------
    >>> from srseg.volumes import Volume
    >>> cube = np.zeros((20, 20, 20), np.uint8)
    >>> cube[5:15, 5:15, 5:15] = 1
    >>> round(implant_from_labels(Volume.from_array(cube, 100.0)).volume_mm3, 6)
    1.0
    """
    where = name or "the reference labels"
    table = labels.table or _table_of(labels, where)
    if len(table.foreground) == 1:
        roles = Roles(bone=None, layer=None, residual=table.foreground[0].value)
    resolved = (roles or Roles()).resolve(table)
    counts = count(labels, table, resolved, 6)
    n_voxels = sum(counts.voxels[value] for value in resolved.implant)
    if not n_voxels:
        raise LabelError(f"{where}: no voxel is implant; is it the file of another sample?")
    if counts.cut_by(labels.shape):
        raise LabelError(
            f"{where}: the implant reaches the border of the volume, so its volume and its surface "
            "are not known; give labels of the whole implant with a voxel of background around it"
        )
    sizes = labels.grid.voxel_size
    z, y, x = (size / 1000 for size in sizes)
    surface = crofton_area(counts.half_crossings[0], (z, y, x))
    source = f"reference labels {name}".strip()
    voxel = "x".join(f"{v:g}" for v in sizes) if len(set(sizes)) > 1 else f"{sizes[0]:g}"
    source += f", voxel size {voxel} µm"
    if counts.voxels[UNLABELLED]:
        # next to the implant they make it smaller, and elsewhere they do no harm
        source += f", {counts.voxels[UNLABELLED]} voxels unlabelled"
    return InitialImplant(float(n_voxels * z * y * x), surface, source)


def _table_of(labels: Volume, where: str) -> LabelTable:
    """Give a table to labels that carry none: of a mask, or the usual one."""
    values = {int(v) for _, slab in labels.slabs() for v in np.unique(slab)}
    if values == {0, UNLABELLED}:
        raise LabelError(
            f"{where}: 255 means unlabelled; save the mask with 1 where the implant is"
        )
    known = values - {UNLABELLED} | {0}
    return LabelTable.from_values(known) if len(known) == 2 else DEFAULT_LABELS


def implant_from_mesh(path: Path | str, *, unit: str = "mm") -> InitialImplant:
    """Measure the implant before implantation on a closed mesh of triangles, such as its CAD model.

    Parameters
    ----------
    path : path
        An STL file, binary or text.
    unit : {"um", "mm", "cm", "m", "inch"}, default="mm"
        What its numbers are in: STL files do not say.

    Returns
    -------
    InitialImplant
        Volume and surface of the mesh.

    Raises
    ------
    FileFormatError
        If it is no STL file, the mesh is not closed, or it has a size that no implant has.
    MissingFileError
        If there is no such file.
    MissingPackageError
        If ``trimesh`` is not installed.
    ParameterError
        If the unit is not known.
    """
    path = Path(path)
    if unit not in MESH_UNITS:
        raise ParameterError(f"the unit {unit!r} is not one of {', '.join(MESH_UNITS)}")
    mesh = _read_mesh(path)
    if not (mesh.is_watertight and mesh.is_winding_consistent):
        raise FileFormatError(
            f"{path}: the mesh is not closed ({len(mesh.faces)} triangles), so it has no volume; "
            "close its holes and make its normals consistent in the program that it comes from"
        )
    scale = MESH_UNITS[unit]
    edges = np.asarray(mesh.extents, float) * scale
    shown = " x ".join(f"{edge:.4g}" for edge in edges)
    if edges.min() < _SMALLEST_MM or edges.max() > _LONGEST_MM:
        raise FileFormatError(
            f"{path}: taken in {unit}, the mesh measures {shown} mm; implants have edges of "
            f"{_SMALLEST_MM:g} to {_LONGEST_MM:g} mm. Say the unit of the file (--mesh-unit "
            f"{'|'.join(MESH_UNITS)})"
        )
    # a mesh whose normals all point inwards encloses the same volume
    volume, surface = abs(float(mesh.volume)) * scale**3, float(mesh.area) * scale**2
    if not (math.isfinite(volume) and volume > 0):
        raise FileFormatError(f"{path}: the mesh encloses no volume; is it a surface in a plane?")
    source = f"mesh {path.name}, in {unit}, {shown} mm"
    if mesh.body_count > 1:
        # bodies that overlap are counted twice, and nothing in the file tells
        source += f", {mesh.body_count} separate bodies"
    return InitialImplant(volume, surface, source)


def _read_mesh(path: Path) -> Any:
    try:
        import trimesh
    except ImportError:
        raise MissingPackageError(
            "reading a mesh needs the package trimesh; install it with: pip install 'srseg[mesh]'"
        ) from None
    try:
        n_bytes = path.stat().st_size
        if n_bytes > _LARGEST:
            raise FileFormatError(
                f"{path} has {n_bytes >> 20} MiB; meshes of up to {_LARGEST >> 20} MiB are read. "
                "Reduce its number of triangles"
            )
        with path.open("rb") as file:
            mesh = trimesh.load_mesh(file, file_type="stl")
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
    except FileFormatError:
        raise
    except Exception as error:  # what a damaged file makes of a parser is not in its documentation
        raise FileFormatError(
            f"{path} is no STL file that can be read ({type(error).__name__}: {error}); export the "
            "mesh as STL again"
        ) from None
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise FileFormatError(f"{path} holds no triangles; export the mesh as STL again")
    if not np.isfinite(mesh.vertices).all():
        raise FileFormatError(f"{path} has corners that are no numbers; export it again")
    return mesh
