"""How well a labelling agrees with the truth: confusion counts, IoU and Dice.

Everything is computed from confusion matrices, whose rows are the truth and whose columns are the
prediction, by position in the label table. Voxels whose truth is 255 (unlabelled) are not counted,
nor are those whose prediction is 255: nobody saw them.
The background, position 0, is left out of every mean over classes, as in the paper's Table 2. A
class absent from both truth and prediction has no IoU: it is NaN and left out of means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import LabelError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["IoUSummary", "confusion", "dice", "iou", "mean_iou", "standard_error", "summarize"]

_BLOCK = 2**22  # voxels counted at once: bincount widens each to 8 bytes


def confusion(
    truth: NDArray[Any], prediction: NDArray[Any], n_classes: int, ignore: int = 255
) -> NDArray[np.int64]:
    """Count how often each class of the truth is predicted as each class.

    A voxel that the prediction leaves out, because it lies outside of the scan's field of view, is
    left out of the truth too: it is neither right nor wrong.

    Parameters
    ----------
    truth : ndarray of integers
        Positions in the label table, any shape; `ignore` where nobody labelled.
    prediction : ndarray of integers, of the same shape
        Positions in the label table; `ignore` where nothing was seen.
    n_classes : int
        Number of classes, K.
    ignore : int, default=255
        The value that is not counted, in either.

    Returns
    -------
    ndarray of shape (K, K)
        Counts; the rows are the truth, the columns the prediction.

    Raises
    ------
    ParameterError
        If the shapes differ or an array is not of integers.
    LabelError
        If a value that is counted is not of 0 to ``n_classes - 1``.

    Examples
    --------
    >>> confusion(np.array([0, 1, 1, 255, 1]), np.array([0, 1, 0, 1, 255]), 2)
    array([[1, 0],
           [1, 1]])
    """
    truth, prediction = np.atleast_1d(truth), np.atleast_1d(prediction)
    if truth.shape != prediction.shape:
        raise ParameterError(
            f"truth and prediction must have one shape, found {truth.shape} and {prediction.shape}"
        )
    for name, array in (("truth", truth), ("prediction", prediction)):
        if array.dtype.kind not in "iub":
            raise ParameterError(f"{name} must hold integer classes, found {array.dtype}")
    counts = np.zeros(n_classes * n_classes, np.int64)
    step = max(1, _BLOCK // max(1, math.prod(truth.shape[1:])))
    for start in range(0, len(truth), step):
        expected, given = truth[start : start + step], prediction[start : start + step]
        labelled = (expected != ignore) & (given != ignore)
        rows, columns = expected[labelled], given[labelled]
        _require_classes(rows, n_classes, "the truth")
        _require_classes(columns, n_classes, "the prediction")
        cells = rows.astype(np.intp)
        cells *= n_classes
        cells += columns.astype(np.intp, copy=False)
        counts += np.bincount(cells, minlength=counts.size)
    return counts.reshape(n_classes, n_classes)


def iou(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the intersection over union of each class, TP / (TP + FP + FN).

    Parameters
    ----------
    confusion : ndarray of shape (..., K, K)
        Counts; the rows are the truth.

    Returns
    -------
    ndarray of shape (..., K)
        IoU of 0 to 1; NaN for a class absent from both truth and prediction.

    Examples
    --------
    >>> iou(np.array([[1, 0], [1, 1]]))
    array([0.5, 0.5])
    """
    hits, either = _hits_and_sizes(confusion)
    return _ratio(hits, either - hits)


def dice(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the Dice coefficient of each class, 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    confusion : ndarray of shape (..., K, K)
        Counts; the rows are the truth.

    Returns
    -------
    ndarray of shape (..., K)
        Dice of 0 to 1; NaN for a class absent from both truth and prediction.
    """
    hits, either = _hits_and_sizes(confusion)
    return _ratio(2 * hits, either)


def mean_iou(confusion_or_iou: NDArray[Any]) -> float:
    """Average the IoU over the classes that occur, the background left out.

    Parameters
    ----------
    confusion_or_iou : ndarray of shape (K, K) or (K,)
        Confusion counts, or the IoU of each class.

    Returns
    -------
    float
        The mean over positions 1 to K - 1; NaN where none of them occurs.

    Examples
    --------
    >>> round(mean_iou(np.array([0.99, 0.9683, 0.8016, 0.9365])), 4)
    0.9021
    """
    values = np.asarray(confusion_or_iou)
    if values.ndim == 2:
        values = iou(values)
    return float(mean_of_present(values[1:], axis=0))


@dataclass(frozen=True, eq=False)
class IoUSummary:
    """The IoU of a labelling over several samples.

    Parameters
    ----------
    per_sample : ndarray of shape (n, K)
        IoU of each class in each sample; NaN where it does not occur.
    per_class : ndarray of shape (K,)
        Mean over the samples in which the class occurs.
    mean : float
        Mean of `per_class` over the foreground.
    pooled : ndarray of shape (K,)
        IoU of each class when the voxels of all samples are counted together.
    pooled_mean : float
        Mean of `pooled` over the foreground.
    """

    per_sample: NDArray[np.float64]
    per_class: NDArray[np.float64]
    mean: float
    pooled: NDArray[np.float64]
    pooled_mean: float


def summarize(confusions: NDArray[Any]) -> IoUSummary:
    """Average the IoU over samples, then over classes; and pool the samples.

    Parameters
    ----------
    confusions : ndarray of shape (n, K, K)
        One confusion matrix for each sample.

    Returns
    -------
    IoUSummary
        The IoU by sample, by class, and pooled.

    Raises
    ------
    ParameterError
        If the shape is not (n, K, K) with at least one sample.

    Examples
    --------
    >>> two = np.array([[[8, 0], [0, 2]], [[8, 1], [1, 0]]])
    >>> summary = summarize(two)
    >>> summary.mean, summary.pooled_mean
    (0.5, 0.5)
    """
    counts = np.asarray(confusions)
    if counts.ndim != 3 or not len(counts) or counts.shape[1] != counts.shape[2]:
        raise ParameterError(
            f"confusions must have shape (samples, classes, classes), found {counts.shape}"
        )
    per_sample = iou(counts)
    per_class = mean_of_present(per_sample, axis=0)
    pooled = iou(counts.sum(0))
    return IoUSummary(per_sample, per_class, mean_iou(per_class), pooled, mean_iou(pooled))


def standard_error(values: ArrayLike, axis: int = 0) -> NDArray[np.float64]:
    """Compute the standard error of the mean, s / sqrt(n), with n - 1 in s.

    Parameters
    ----------
    values : array-like
        For example the score of each model; NaN is left out.
    axis : int, default=0
        The axis that is averaged over.

    Returns
    -------
    ndarray
        The standard error along `axis`; NaN where there are fewer than two values.

    Examples
    --------
    >>> float(standard_error([0.90, 0.92, 0.91, 0.91]).round(5))
    0.00408
    """
    array = np.asarray(values, np.float64)
    count = np.asarray((~np.isnan(array)).sum(axis))
    mean = np.expand_dims(mean_of_present(array, axis), axis)
    squares = np.asarray(np.nansum((array - mean) ** 2, axis))
    error = np.full(count.shape, np.nan)
    np.divide(squares, (count - 1.0) * count, out=error, where=count > 1)
    np.sqrt(error, out=error)
    return error


def mean_of_present(values: ArrayLike, axis: int) -> NDArray[np.float64]:
    """Average what is not NaN.

    Parameters
    ----------
    values : array-like
        Numbers, NaN where there is none.
    axis : int
        The axis that is averaged over.

    Returns
    -------
    ndarray
        The mean along `axis`; NaN where there is no number.
    """
    array = np.asarray(values, np.float64)
    count = np.asarray((~np.isnan(array)).sum(axis))
    return _ratio(np.asarray(np.nansum(array, axis)), count)


def _hits_and_sizes(
    confusion: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give TP, and the voxels of truth plus those of prediction, of each class."""
    counts = np.asarray(confusion, np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise ParameterError(f"a confusion matrix is square, found shape {counts.shape}")
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1) + counts.sum(-2)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    out = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _require_classes(values: NDArray[Any], n_classes: int, where: str) -> None:
    if not values.size:
        return
    worst = min(int(values.min()), int(values.max()), key=lambda v: 0 <= v < n_classes)
    if not 0 <= worst < n_classes:
        raise LabelError(
            f"{where} holds the class {worst} at a voxel that is counted; allowed are 0 to "
            f"{n_classes - 1}. Check that both use one label table and cover the same space"
        )
