"""What tells one job of a search from another: parameters, samples, version."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import numbers
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg._version import __version__
from srseg.errors import ParameterError
from srseg.estimators import (
    BaseSegmenter,
    is_sample,
    labels_facts,
    model_hash,
    scan_facts,
    segmenter_facts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.volumes import Sample

# where and how comfortably an estimator works, not what it learns: a search goes on elsewhere
_WHERE = frozenset({"device", "runtime", "checkpoint", "checkpoint_every", "max_memory", "scratch"})

_NUMBERED = re.compile(r"volume\d+")


def sample_facts(sample: Sample) -> dict[str, Any]:
    """Say which scan a sample has, and which labels are its target.

    Of a sample in a dataset that is what its sidecars recorded: stamp of the scan, revision and
    stamp of the labels. Of others the voxels are looked at, see `srseg.estimators.fingerprint`.

    Parameters
    ----------
    sample : Sample
        The sample.

    Returns
    -------
    dict
        Plain data.
    """
    labels = sample.labels()
    # arrays are numbered by their place among those that are given together, which says nothing
    nameless = sample.target == "y" and _NUMBERED.fullmatch(sample.name)
    facts: dict[str, Any] = {
        "name": None if nameless else sample.name,
        "subject": None if nameless else sample.subject,
        "target": sample.target,
        "scan grid": sample.scan_grid.to_dict(),
        "label grid": labels.grid.to_dict(),
        "classes": None if labels.table is None else labels.table.to_dicts(),
    }
    return facts | {"scan": scan_facts(sample), "labels": labels_facts(sample, labels)}


def estimator_facts(estimator: Any) -> dict[str, Any]:
    """Say which class an estimator has, and those of its parameters that decide what it learns.

    Of a plugin's also which version of it there is.

    Parameters
    ----------
    estimator : estimator
        Not fitted.

    Returns
    -------
    dict
        Plain data.

    Raises
    ------
    ParameterError
        If nothing tells a parameter from others, such as a generator of random numbers.
    """
    parameters = estimator.get_params(deep=False)
    package = None
    if isinstance(estimator, BaseSegmenter):
        package = segmenter_facts(estimator)["package"]
    return {
        **({} if package is None else {"package": package}),
        "class": _name(type(estimator)),
        "parameters": {
            name: _plain(value, name)
            for name, value in sorted(parameters.items())
            if name not in _WHERE
        },
    }


def fit_facts(
    estimator: Any,
    samples: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Say what a fit is of.

    Parameters
    ----------
    estimator : estimator
        Not fitted.
    samples : sequence of mapping
        `sample_facts` of what it is trained on, in order.
    weights : sequence of float, optional
        How often slices of each of them are drawn.

    Returns
    -------
    dict
        Plain data.
    """
    facts: dict[str, Any] = {
        "srseg": __version__,
        "estimator": estimator_facts(estimator),
        "samples": [*samples],
    }
    if weights is not None:
        facts |= {"weights": [float(weight) for weight in weights]}
    return facts


def digest(facts: Mapping[str, Any]) -> str:
    """Give the name of a job.

    Parameters
    ----------
    facts : mapping
        Plain data.

    Returns
    -------
    str
        20 hexadecimal digits.
    """
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, str)):
        # a model file is known by its bytes, wherever it lies
        if isinstance(value, str) and (where == "start_from" or value.endswith(".srseg")):
            return _plain(Path(value), where)
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Path):
        if value.is_file():
            with value.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        return str(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if is_sample(value):
        return sample_facts(value)
    if hasattr(value, "to_dicts"):
        return value.to_dicts()
    if hasattr(value, "get_params"):
        weights = None
        if hasattr(value, "network_"):
            weights = model_hash(value, {})
        elif isinstance(value, BaseSegmenter) and hasattr(value, "classes_"):
            weights = value.digest()
        return estimator_facts(value) | {"weights": weights}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name), where) for f in dataclasses.fields(value)}
        return {"class": _name(type(value)), **fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, where) for key, inner in value.items()}
    if callable(value) and hasattr(value, "__qualname__"):
        return _name(value)
    if isinstance(value, Iterable):
        return [_plain(inner, where) for inner in value]
    raise ParameterError(
        f"{where}={value!r} cannot be told from others of its kind, so a job with it could not be "
        "found again; use a number, a text, None, or an object of srseg"
    )


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
