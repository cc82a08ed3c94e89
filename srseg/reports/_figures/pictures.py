"""Cuts as coloured pictures: grey values, classes, marked pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgb

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.labels import LabelTable


def grey_window(image: NDArray[Any]) -> tuple[Any, Any]:
    """Give the grey values that become black and white: the 0.5 and 99.9 percentiles."""
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, (0.5, 99.9))
    return low, high


def grey_picture(image: NDArray[Any], window: tuple[Any, Any] | None = None) -> NDArray[np.float64]:
    """Turn grey values into a picture of shape (rows, columns, 3); what is no number is black."""
    low, high = grey_window(image) if window is None else window
    with np.errstate(invalid="ignore"):
        scaled = np.nan_to_num(np.clip((image - low) / max(high - low, 1e-12), 0, 1))
    return np.repeat(scaled[..., None], 3, axis=2)


def class_picture(
    grey: NDArray[np.float64], labels: NDArray[Any], table: LabelTable, *, fog: bool = False
) -> NDArray[np.float64]:
    """Lay the colours of the classes over a picture.

    Parameters
    ----------
    grey : ndarray of shape (rows, columns, 3)
        The scan.
    labels : ndarray of shape (rows, columns)
        Label values.
    table : LabelTable
        What they mean.
    fog : bool, default=False
        Whether what is unlabelled is shown pale, so that it differs from background.

    Returns
    -------
    ndarray of shape (rows, columns, 3)
        The picture.
    """
    picture = grey * 0.8
    for c in table.foreground:
        where = labels == c.value
        picture[where] = 0.35 * grey[where] + 0.65 * np.array(c.rgb) / 255
    if fog:
        where = labels == UNLABELLED
        picture[where] = 0.35 * grey[where] + 0.65
    return picture


def marked_picture(
    grey: NDArray[np.float64], masks: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Mark pixels in colours on a faint picture, on which light and dark ones stand out."""
    picture = 0.55 + 0.2 * grey
    for color, mask in masks.items():
        picture[mask] = to_rgb(color)
    return picture
