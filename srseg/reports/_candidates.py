"""The candidates of a search over network sizes: what they are, what they cost, how they did."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.backbones import layer_table
from srseg.errors import FileFormatError, ParameterError
from srseg.metrics import standard_error
from srseg.reports._columns import read_columns, to_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.backbones import BackboneFactory

__all__ = ["AXES", "Candidate", "Search", "read_candidates"]

AXES = ("depth", "width", "input_size")
"""What the paper varies, in the order of its Fig. 3."""


@dataclass(frozen=True)
class Candidate:
    """One network of a search.

    Parameters
    ----------
    backbone : str or callable
        The backbone.
    width, depth, input_size : int
        Its size, and the edge of its patches [px].
    mean : float
        Mean score over the folds; NaN where it failed or is not finished.
    error : float
        Standard error of that mean over the folds; NaN with less than two.
    flops : int
        Floating-point operations for one slice of the input size.
    by_name : bool
        Whether width and depth stand in the backbone's name, and mean nothing here.
    stayed : bool, default=True
        With successive halving, whether it was in the last round.
    """

    backbone: str | BackboneFactory
    width: int
    depth: int
    input_size: int
    mean: float
    error: float
    flops: int
    by_name: bool
    stayed: bool = True


@dataclass(frozen=True)
class Search:
    """What a search found.

    Parameters
    ----------
    candidates : tuple of Candidate
        One for each network.
    n_folds : int
        Folds that the means are over; 0 where that is not told.
    others : tuple of str
        Further parameters that were varied; of each network the best candidate is kept.
    halving : bool
        Whether it had several rounds; of each network the last one is kept.
    """

    candidates: tuple[Candidate, ...]
    n_folds: int
    others: tuple[str, ...]
    halving: bool


def read_candidates(
    cv_results: Mapping[str, Any] | Path | str, fixed: Mapping[str, Any], score: str, n_classes: int
) -> Search:
    """Take the candidates out of scikit-learn's ``cv_results_``, or a CSV file with its columns.

    Parameters
    ----------
    cv_results : mapping or path
        The results.
    fixed : mapping
        Backbone, width, depth and input size where they were not varied.
    score : str
        The scorer, as it stands in ``mean_test_<score>``.
    n_classes : int
        Number K of classes.

    Returns
    -------
    Search
        The candidates, cheapest first.

    Raises
    ------
    FileFormatError
        If a file holds something else.
    MissingFileError
        If there is no such file.
    ParameterError
        If the results hold no candidate or no such score.
    """
    columns, where = _columns(cv_results, score)
    means = _numbers(columns, f"mean_test_{score}", where)
    if not means:
        raise ParameterError(f"{where} holds no candidate")
    splits = [
        _numbers(columns, name, where)
        for name in columns
        if re.fullmatch(rf"split\d+_test_{re.escape(score)}", name)
    ]
    parameters = {name: f"param_{name}" for name in ("backbone", *AXES)}
    for name, column in parameters.items():
        inner = [key for key in columns if re.fullmatch(rf"param_(\w+__)?{name}", key)]
        parameters[name] = inner[0] if inner else column
    # successive halving: the later round counts, in which a network was trained for longer
    rounds = _numbers(columns, "iter", where) if "iter" in columns else [0.0] * len(means)
    found: dict[tuple[Any, ...], Candidate] = {}
    reached: dict[tuple[Any, ...], float] = {}
    for row, mean in enumerate(means):
        sizes = [_size(columns, parameters[a], row, fixed[a], f"{where}, {a}") for a in AXES]
        backbone = _cell(columns, parameters["backbone"], row, fixed["backbone"])
        error = float(standard_error([split[row] for split in splits])) if splits else math.nan
        one = Candidate(backbone, sizes[1], sizes[0], sizes[2], mean, error, 0, by_name=False)
        key = (backbone, *sizes)
        is_later = rounds[row] > reached.get(key, -math.inf)
        if is_later or (rounds[row] == reached[key] and _is_better(mean, found[key].mean)):
            found[key], reached[key] = one, rounds[row]
    last = max(rounds)
    priced = [
        replace(_priced(c, n_classes), stayed=reached[key] == last) for key, c in found.items()
    ]
    others = [key.removeprefix("param_") for key in columns
              if key.startswith("param_") and key not in parameters.values()]  # fmt: skip
    many = len(found) < len(means)
    return Search(
        tuple(sorted(priced, key=lambda c: c.flops)),
        n_folds=len(splits),
        others=tuple(others if many else ()),
        halving=len(set(rounds)) > 1,
    )


def _is_better(mean: float, other: float) -> bool:
    return math.isfinite(mean) and (not math.isfinite(other) or mean > other)


def _priced(c: Candidate, n_classes: int) -> Candidate:
    backbone: Any = c.backbone
    flops, by_name = _cost(backbone, n_classes, c.width, c.depth, c.input_size)
    return replace(c, flops=flops, by_name=by_name)


@cache
def _cost(
    backbone: Any, n_classes: int, width: int, depth: int, input_size: int
) -> tuple[int, bool]:
    table = layer_table(
        backbone, n_classes=n_classes, width=width, depth=depth, input_size=input_size
    )
    return table.flops, table.width is None


def _columns(
    cv_results: Mapping[str, Any] | Path | str, score: str
) -> tuple[dict[str, Sequence[Any]], str]:
    needed = f"mean_test_{score}"
    if isinstance(cv_results, str | Path):
        return dict(read_columns(cv_results, [needed])), str(cv_results)
    columns = {str(key): cv_results[key] for key in cv_results}
    if needed not in columns:
        scores = [key for key in columns if key.startswith("mean_test_")]
        raise ParameterError(
            f"the results have no {needed}; give one of the scores "
            f"{', '.join(key.removeprefix('mean_test_') for key in scores) or '-'}"
        )
    return {key: list(np.ma.asarray(values)) for key, values in columns.items()}, "cv_results"


def _numbers(columns: Mapping[str, Sequence[Any]], name: str, where: str) -> list[float]:
    return [
        to_number(value, f"{where}, column {name}") if isinstance(value, str) else float(value)
        for value in columns[name]
    ]


def _cell(columns: Mapping[str, Sequence[Any]], name: str, row: int, otherwise: Any) -> Any:
    """Give a parameter; where a candidate has no such parameter, what was fixed."""
    value = columns[name][row] if name in columns else None
    absent = value is None or value is np.ma.masked or value == "" or value != value
    return otherwise if absent else value


def _size(
    columns: Mapping[str, Sequence[Any]], name: str, row: int, otherwise: int, where: str
) -> int:
    value = _cell(columns, name, row, otherwise)
    number = to_number(value, where) if isinstance(value, str) else float(value)
    if number != int(number) or number < 1:
        raise FileFormatError(f"{where}: {value!r} is no size")
    return int(number)
