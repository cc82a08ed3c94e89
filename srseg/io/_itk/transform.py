"""Rigid transforms in files: ITK's, and srseg's own JSON."""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, GridError
from srseg.io._format import require_file
from srseg.io._hdf5.open import opened
from srseg.io._hdf5.safe import child, external_links, walk
from srseg.io._hdf5.texts import text_in
from srseg.io._hdf5.values import is_numbers
from srseg.io._itk.format import simple_itk
from srseg.storage import read_json
from srseg.texts import reason_of
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_ITK = (".tfm", ".txt", ".mat", ".h5", ".hdf5")
# what the rounding of a text file does to a rotation is far below this, a real stretch above
_TOLERANCE = 1e-5
_MOST_NUMBERS = 1000
_LONGEST = 1 << 20
_N_NUMBERS = {
    "QuaternionRigidTransform": 7,
    "Euler3DTransform": 6, "VersorRigid3DTransform": 6, "Similarity3DTransform": 7,
    "AffineTransform": 12, "MatrixOffsetTransformBase": 12, "Rigid3DTransform": 12,
    "TranslationTransform": 3, "IdentityTransform": 0, "VersorTransform": 3, "ScaleTransform": 3,
    "ScaleVersor3DTransform": 9, "ScaleSkewVersor3DTransform": 15, "CenteredAffineTransform": 15,
}  # fmt: skip
_SEVERAL = "CompositeTransform"
_ONLY_RIGID = (
    "labels keep their voxels, so only a rotation and a shift can be applied. Resample the labels "
    "with the program that made the transform, and add those"
)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_MATLAB = struct.Struct("<5i")


def read_transform(path: Path | str, *, inverse: bool = False) -> RigidTransform:
    """Read the rotation and shift that bring one volume to the place of another.

    The result takes points of the *moving* volume (labels, say) to the *fixed* one (their scan),
    in (z, y, x) and µm.

    - ``.tfm``, ``.txt``, ``.mat``, ``.h5``, ``.hdf5``: an ITK transform, (x, y, z) in mm. ITK's own
      direction holds: it takes points of the fixed volume to the moving one, as
      ``SimpleITK.Resample(moving, fixed, transform)`` wants it, as a registration with SimpleITK
      gives it and as 3D Slicer saves it.
    - ``.json``: ``{"rotation": [9 numbers, row by row], "translation_um": [z, y, x]}``, as
      `RigidTransform.to_dict` gives it, from the moving volume to the fixed one.

    Parameters
    ----------
    path : path
        The file.
    inverse : bool, default=False
        Whether the file holds the opposite direction.

    Returns
    -------
    RigidTransform
        From the moving volume to the fixed one.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it holds no transform, or one that bends, stretches, shears or mirrors.
    """
    path = require_file(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        try:
            forward = RigidTransform.from_dict(read_json(path))
        except GridError as error:
            raise FileFormatError(
                f'{path}: {error}; it must hold {{"rotation": [9 numbers], "translation_um": '
                "[z, y, x]}"
            ) from None
    elif suffix in _ITK:
        # the file says where a voxel of the fixed volume is looked up
        forward = _from_itk(path).inverse()
    else:
        raise FileFormatError(
            f"{path} is no transform that srseg reads; ITK transforms ({', '.join(_ITK)}) and "
            ".json are"
        )
    return forward.inverse() if inverse else forward


def _from_itk(path: Path) -> RigidTransform:
    if path.suffix.lower() in (".h5", ".hdf5"):
        _require_closed(path)
    elif path.suffix.lower() in (".tfm", ".txt"):
        _require_all_numbers(path)
    else:
        _require_all_of_matlab(path)
    try:
        transform = simple_itk().ReadTransform(str(path))
    except (RuntimeError, UnicodeDecodeError) as error:  # ITK's reasons quote what the file says
        raise FileFormatError(
            f"{path} cannot be read as an ITK transform ({reason_of(error)}); save it with "
            "SimpleITK or 3D Slicer"
        ) from None
    if transform.GetDimension() != 3:
        raise FileFormatError(f"{path} holds a transform of a plane; volumes need one of space")
    if not transform.IsLinear():
        raise _bends(path, transform.GetName())
    at_zero = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(unit))) - at_zero for unit in np.eye(3)]
    matrix = np.stack(columns, 1)
    if not (np.isfinite(matrix).all() and np.isfinite(at_zero).all()):
        raise FileFormatError(f"{path} holds numbers that are none; save the transform again")
    matrix = _rotation(matrix, path)
    # x, y, z in mm become z, y, x in µm
    z, y, x = (at_zero[::-1] * 1000).tolist()
    return RigidTransform(tuple(matrix[::-1, ::-1].ravel().tolist()), (z, y, x))


def _require_closed(path: Path) -> None:
    """Refuse an HDF5 file that leads out of itself, or whose numbers are not those of its kind."""
    with opened(path) as file:
        if any(True for _ in external_links(file)):
            raise FileFormatError(f"{path} links to other files, which srseg does not follow")
        for item in walk(file):
            if hasattr(item, "dtype") and (
                item.external or item.is_virtual or (item.size or 0) > _MOST_NUMBERS
            ):
                raise FileFormatError(
                    f"{path}: {item.name} has {item.size} numbers, or keeps them in another file; "
                    "a rotation and a shift are a dozen numbers in the file itself"
                )
            # ITK's own HDF5 is an older one: what this one cannot read is not given to it
            text_in(item)
        kinds, counts = [], []
        for name in child(file, "TransformGroup") or ():
            group = child(file, f"TransformGroup/{name}")
            kinds.append(_kind(text_in(child(group, "TransformType")), path))
            numbers = [child(group, f"{word}Parameters") for word in ("Transform", "Tranform")]
            if kinds[-1] != _SEVERAL:
                counts.append(max(one.size if is_numbers(one) else -1 for one in numbers))
        _require_counts(kinds, counts, path)


def _require_all_numbers(path: Path) -> None:
    """Refuse a text with fewer numbers than its transforms take: ITK reads past their end."""
    if path.stat().st_size > _LONGEST:
        raise FileFormatError(f"{path} is longer than {_LONGEST >> 20} MiB; is it a transform?")
    kinds: list[str] = []
    counts: list[int] = []
    for line in path.read_text("utf-8", "replace").split("\n"):
        key, _, words = line.rstrip("\r").partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if key == "Transform":
            kinds.append(_kind(words.strip(" \t"), path))
        elif key in ("Parameters", "FixedParameters"):
            numbers = re.split(r"[ \t]+", words.strip(" \t")) if words.strip(" \t") else []
            for number in numbers:
                # ITK stops at what is none, and then takes what lies behind the others in memory
                if not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
                    raise FileFormatError(f"{path} has {number[:40]!r} where a number is expected")
            if key == "Parameters":
                counts.append(len(numbers))
        else:
            raise FileFormatError(
                f"{path} cannot be read as an ITK transform (a line says {line[:40]!r}); save it "
                "with SimpleITK or 3D Slicer"
            )
    _require_counts(kinds, counts, path)


def _require_counts(kinds: list[str], counts: list[int], path: Path) -> None:
    takes = [kind for kind in kinds if kind != _SEVERAL]
    if len(takes) != len(counts):
        raise FileFormatError(
            f"{path} has {len(takes)} transforms and {len(counts)} lines of numbers; it is cut "
            "short"
        )
    for kind, count in zip(takes, counts, strict=True):
        if count != _N_NUMBERS[kind]:
            raise FileFormatError(
                f"{path} has {count} numbers for {kind}, which takes {_N_NUMBERS[kind]}; it is cut "
                "short"
            )


def _require_all_of_matlab(path: Path) -> None:
    """Refuse a Matlab file whose matrices do not lie one after the other: ITK would not end."""
    if path.stat().st_size > _LONGEST:
        raise FileFormatError(f"{path} is longer than {_LONGEST >> 20} MiB; is it a transform?")
    data, at = path.read_bytes(), 0
    kinds: list[str] = []
    counts: list[int] = []
    while at < len(data):
        head = data[at : at + _MATLAB.size]
        number, rows, columns, imaginary, n_name = (
            _MATLAB.unpack(head) if len(head) == _MATLAB.size else (-1,) * 5
        )
        at += _MATLAB.size
        width = {0: 8, 10: 4, 100: 8, 110: 4}.get(number, 0)  # double or single, not swapped
        fits = 0 < n_name < 100 and 0 <= rows <= _MOST_NUMBERS and 0 <= columns <= 1
        if not (width and fits and not imaginary) or data[at + n_name - 1 : at + n_name] != b"\0":
            raise FileFormatError(f"{path} is no transform in a Matlab file, or damaged")
        name = data[at : at + n_name - 1].decode("ascii", "replace")
        at += n_name + rows * columns * width
        if name != "fixed":
            kinds.append(_kind(name, path))
            counts.append(rows * columns)
    if at > len(data):
        raise FileFormatError(f"{path} ends before its numbers; it is cut short")
    _require_counts(kinds, counts, path)


def _kind(said: str, path: Path) -> str:
    """Give the kind of a transform; ITK is not given others than those whose numbers are known."""
    found = re.fullmatch(r"([A-Za-z0-9]+)_(?:double|float)_([0-9])_\2", said)
    if found is None:
        raise FileFormatError(f"{path} has {said[:60]!r} where a kind of transform is expected")
    if found[2] != "3":
        raise FileFormatError(f"{path} holds a transform of a plane; volumes need one of space")
    if found[1] not in (_SEVERAL, *_N_NUMBERS):
        raise FileFormatError(
            f"{path} holds the transform {found[1]}, which bends space or is not known; "
            f"{_ONLY_RIGID}"
        )
    return found[1]


def _bends(path: Path, name: str) -> FileFormatError:
    return FileFormatError(f"{path} holds the transform {name}, which bends space; {_ONLY_RIGID}")


def _rotation(matrix: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Give the rotation nearest to a matrix; refuse one that is none."""
    left, stretches, right = np.linalg.svd(matrix)
    factors = ", ".join(f"{s:.6g}" for s in stretches)
    if np.abs(stretches - 1).max() > _TOLERANCE:
        raise FileFormatError(
            f"{path} stretches or shears space, by the factors {factors} along its main "
            "directions; labels keep their voxels, so only a rotation and a shift can be applied. "
            "Register with a rigid transform (SimpleITK: Euler3DTransform); where the factor is a "
            "wrong voxel size, correct that with --override-voxel-size"
        )
    if np.linalg.det(matrix) < 0:
        raise FileFormatError(
            f"{path} mirrors space (determinant {np.linalg.det(matrix):.6g}); an axis that runs "
            "backwards in a file is said with --axes, for example --axes=-zyx"
        )
    rotation: NDArray[np.float64] = left @ right
    return rotation
