"""The first stage: what a user gives as estimator, as something that can be fitted."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.estimators import create_segmenter, load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = ".srseg"


def first_stage(given: Any, shared: Mapping[str, Any]) -> Any:
    """Give the estimator that labels the slices.

    Parameters
    ----------
    given : estimator, str, path or None
        What the user gave: an estimator, the name of one, a model file, or nothing.
    shared : mapping
        Parameters that one made here takes over, where its class has them.

    Returns
    -------
    estimator
        Not fitted, or in a FrozenEstimator.

    Raises
    ------
    ParameterError
        If it is none of that, or is meant to stay as it is and was never fitted.
    UnsupportedEstimatorError
        If it does not label slices.
    """
    if given is None:
        given = "unet"
    estimator = _named(given, shared) if isinstance(given, (str, Path)) else given
    bare = unwrapped(estimator)
    if estimator is not bare and isinstance(bare, BaseEstimator) and not _is_fitted(bare):
        raise ParameterError(
            f"estimator is a {type(bare).__name__} that stays as it is (in a FrozenEstimator), and "
            "was never fitted; fit it before, or give it without"
        )
    if not hasattr(bare, "fit"):
        raise ParameterError(
            f"estimator is a segmenter, the name of one, a model file or None; found {given!r}"
        )
    if not callable(getattr(bare, "predict_slices_proba", None)):
        raise UnsupportedEstimatorError(
            f"cracks are looked for in slices, and {type(bare).__name__} does not label slices (it "
            "has no predict_slices_proba); give a VolumeSegmenter or another that does"
        )
    return estimator


def _named(given: str | Path, shared: Mapping[str, Any]) -> Any:
    if stays(given):
        return FrozenEstimator(load_model(given))
    estimator = create_segmenter(str(given))
    known = inspect.signature(type(estimator)).parameters
    # a backbone's name has become the backbone already
    taken = {name: value for name, value in shared.items() if name in known}
    if str(given) != "unet":
        taken.pop("backbone", None)
    return estimator.set_params(**taken)


def stays(given: Any) -> bool:
    """Tell whether what a user gave is used as it is, and not fitted.

    Parameters
    ----------
    given : estimator, str, path or None
        What the user gave.

    Returns
    -------
    bool
        True for a frozen estimator and for a model file.
    """
    if isinstance(given, (str, Path)):
        return Path(given).suffix == _FILE
    return isinstance(given, FrozenEstimator)


def unwrapped(estimator: Any) -> Any:
    """Give the estimator that a FrozenEstimator holds.

    Parameters
    ----------
    estimator : object
        An estimator.

    Returns
    -------
    object
        Itself where nothing is wrapped around it.
    """
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def known_of(estimator: Any, name: str) -> Any:
    """Give voxel size, clip or label table: what it was fitted with, else its parameter.

    Parameters
    ----------
    estimator : estimator
        The first stage.
    name : str
        Name of the fitted attribute, with its underscore.

    Returns
    -------
    object
        None where it has neither.
    """
    bare = unwrapped(estimator)
    fitted = bare if estimator is not bare else None
    if fitted is not None and hasattr(fitted, name):
        return getattr(fitted, name)
    return getattr(bare, {"label_table_": "labels"}.get(name, name.removesuffix("_")), None)


def _is_fitted(estimator: Any) -> bool:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
