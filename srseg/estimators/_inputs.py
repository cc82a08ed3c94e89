"""What users give as X and y, as samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from srseg.errors import ParameterError
from srseg.volumes import ArraySample, Sample, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ADVICE = (
    "give a Dataset, a sample or a list of samples, a Volume, an array of shape (Z, Y, X), "
    "a list of such arrays, or an array of shape (n, Z, Y, X)"
)

_SAMPLE = ("name", "subject", "scan", "scan_grid", "target", "metadata", "labels", "prepared")


@dataclass(frozen=True)
class Inputs:
    """Samples, and the form in which a user gave them.

    Parameters
    ----------
    samples : list of Sample
        The samples.
    single : bool
        Whether one was given on its own rather than in a list.
    arrays : bool
        Whether plain arrays were given, so that arrays are given back.
    """

    samples: list[Sample]
    single: bool
    arrays: bool


def is_sample(item: Any) -> TypeGuard[Sample]:
    """Whether something meets `Sample`, without opening its scan.

    ``isinstance`` evaluates every property of a protocol up to Python 3.11, and a scan that lies
    elsewhere may be away while its working copy is at hand.

    Parameters
    ----------
    item : object
        What a user gave.

    Returns
    -------
    bool
        True where it has all that a sample has.
    """
    return all(inspect.getattr_static(item, name, item) is not item for name in _SAMPLE)


def read_inputs(
    X: Any, y: Any = None, *, voxel_size: float | None = None, labelled: bool = False
) -> Inputs:
    """Turn X, and y where it is given, into samples.

    A single array of three axes is one volume. (scikit-learn's splitters cut it along z, so that
    cross-validation on one volume uses slabs of it.)

    Parameters
    ----------
    X : Sample, Volume, array, or sequence of them
        The scans.
    y : Volume, array, or sequence of them, optional
        Labels, one for each scan; without, each sample's target label set.
    voxel_size : float, optional
        The voxel size of plain arrays, in µm.
    labelled : bool, default=False
        Whether labels are needed, so that scans which bring none along need `y`.

    Returns
    -------
    Inputs
        The samples.

    Raises
    ------
    ParameterError
        If X is something else, y does not fit it, or labels are needed and there are none.
    """
    items, single = _as_list(X, "X")
    if not items:
        raise ParameterError(f"X is empty; {_ADVICE}")
    truths = [None] * len(items) if y is None else _as_list(y, "y")[0]
    if len(truths) != len(items):
        raise ParameterError(
            f"X has {len(items)} volumes and y {len(truths)}; give one label volume for each scan"
        )
    if labelled and y is None:
        bare = [number for number, item in enumerate(items) if not is_sample(item)]
        if bare:
            raise ParameterError(
                f"X[{bare[0]}] is a scan without labels; give y with one label volume for each "
                "scan, or samples that have a target label set"
            )
    samples = [
        _as_sample(item, truth, number, voxel_size or 1.0)
        for number, (item, truth) in enumerate(zip(items, truths, strict=True))
    ]
    arrays = not any(isinstance(item, Volume) or is_sample(item) for item in items)
    return Inputs(samples, single, arrays)


def _as_list(value: Any, name: str) -> tuple[list[Any], bool]:
    if isinstance(value, Volume) or is_sample(value):
        return [value], True
    if isinstance(value, np.ndarray) and value.dtype != object:
        if value.ndim == 3:
            return [value], True
        if value.ndim == 4:
            return list(value), False
        raise ParameterError(f"{name} has shape {value.shape}; {_ADVICE}")
    try:
        if isinstance(value, (str, bytes, Mapping, Set)):
            raise TypeError
        return [value[i] for i in range(len(value))], False
    except (TypeError, KeyError):  # no sequence, or one of tables, such as a sparse matrix
        raise ParameterError(
            f"{name} is a {type(value).__name__}, and tables and sparse matrices are no volumes; "
            f"{_ADVICE}"
        ) from None


def _as_sample(item: Any, truth: Any, number: int, voxel_size: float) -> Sample:
    if is_sample(item):
        if truth is None:
            return item
        labels = {"y": _as_labels(truth, item.scan, f"y[{number}]")}
        return ArraySample(item.name, item.scan, labels, item.subject, "y", item.metadata)
    where = f"X[{number}]"
    scan = item if isinstance(item, Volume) else _as_volume(item, where, voxel_size)
    sets = {} if truth is None else {"y": _as_labels(truth, scan, f"y[{number}]")}
    return ArraySample(f"volume{number}", scan, sets, target="y")


def _as_volume(item: Any, where: str, voxel_size: float) -> Volume:
    array = np.asarray(item)
    if array.ndim != 3 or array.dtype.kind not in "buif" or not array.size:
        raise ParameterError(
            f"{where} has shape {array.shape} and type {array.dtype}; volumes are numbers of shape "
            f"(Z, Y, X). {_ADVICE}"
        )
    return Volume.from_array(array, voxel_size)


def _as_labels(truth: Any, scan: Volume, where: str) -> Volume:
    if isinstance(truth, Volume):
        return truth
    array: NDArray[Any] = np.asarray(truth)
    if array.shape != scan.shape:
        raise ParameterError(
            f"{where} has shape {array.shape}, its scan {scan.shape}; labels in an array lie on "
            "the scan's own voxels (give a Volume for labels on another grid)"
        )
    if array.dtype.kind not in "bui":
        raise ParameterError(f"{where} has type {array.dtype}; labels are integers")
    return Volume(array, scan.grid)
