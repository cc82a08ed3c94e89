"""Parameters of a plugin's segmenter as plain data, and the way back."""

from __future__ import annotations

import math
import numbers
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from srseg.errors import ParameterError
from srseg.estimators._catalog import create_segmenter, segmenter_name
from srseg.labels import LabelTable
from srseg.preprocessing import LabelCleaning
from srseg.training import Augmentation

if TYPE_CHECKING:
    from collections.abc import Mapping

# of the machine that it was fitted on
_HERE = ("device", "checkpoint", "start_from", "max_memory", "scratch", "n_jobs")
_TUPLE, _TABLE, _SEGMENTER, _FROZEN = "tuple", "label table", "segmenter", "frozen"
_SETTINGS: dict[str, Any] = {kind.__name__: kind for kind in (Augmentation, LabelCleaning)}


def plain(value: Any, name: str) -> Any:
    """Give a parameter as plain data for JSON.

    Parameters
    ----------
    value : object
        A number, text, None, a list, tuple or dict of those, a label table, or a segmenter.
    name : str
        Its name, for messages.

    Returns
    -------
    object
        Plain data.

    Raises
    ------
    ParameterError
        If it is something else, or no finite number.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(float(value)):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list) and name != "validation":
        return [plain(item, name) for item in value]
    if isinstance(value, tuple):
        return {_TUPLE: [plain(item, name) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: plain(item, name) for key, item in value.items()}}
    if isinstance(value, LabelTable):
        return {_TABLE: value.to_dicts()}
    if isinstance(value, (Augmentation, LabelCleaning)):
        settings = {field.name: getattr(value, field.name) for field in fields(value)}
        return {type(value).__name__: {key: plain(one, name) for key, one in settings.items()}}
    if isinstance(value, FrozenEstimator):
        return {_FROZEN: plain(value.estimator, name)}
    if isinstance(value, BaseEstimator):
        return {
            _SEGMENTER: segmenter_name(value),
            "parameters": plain_parameters(value),
        }
    if name in ("random_state", "validation"):  # a generator has moved on; samples are no part
        return None
    raise ParameterError(
        f"a model cannot be saved with {name}={value!r}, which is no plain data: numbers, text, "
        "lists, tuples, dicts, a LabelTable and segmenters are"
    )


def plain_parameters(estimator: Any) -> dict[str, Any]:
    """Give the parameters of a segmenter as plain data for JSON.

    Parameters
    ----------
    estimator : estimator
        The segmenter.

    Returns
    -------
    dict
        Plain data, without what is of this machine.
    """
    return {
        name: plain(value, name)
        for name, value in estimator.get_params(deep=False).items()
        if name not in _HERE
    }


def from_plain(value: Any) -> Any:
    """Give a parameter; the inverse of `plain`.

    Parameters
    ----------
    value : object
        Plain data.

    Returns
    -------
    object
        The parameter.
    """
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if isinstance(value, dict):
        if _SEGMENTER in value:
            return create_segmenter(value[_SEGMENTER], **read_plain_parameters(value["parameters"]))
        ((kind, inner),) = value.items()
        if kind == _TUPLE:
            return tuple(from_plain(item) for item in inner)
        if kind == _TABLE:
            return LabelTable.from_dicts(inner)
        if kind == "dict":
            return read_plain(inner)
        if kind == _FROZEN:
            return FrozenEstimator(from_plain(inner))
        if kind in _SETTINGS:
            return _SETTINGS[kind](**read_plain(inner))
        raise ValueError(f"a parameter of kind {kind!r}")
    return value


def read_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values by name.

    Parameters
    ----------
    values : mapping
        Plain data.

    Returns
    -------
    dict
        The values.
    """
    return {name: from_plain(value) for name, value in values.items()}


def read_plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parameters of a segmenter; the inverse of `plain_parameters`.

    Parameters
    ----------
    parameters : mapping
        Plain data. A file may come from anyone: no device and no path that it names is taken over.

    Returns
    -------
    dict
        Its parameters.
    """
    return read_plain({name: one for name, one in parameters.items() if name not in _HERE})
