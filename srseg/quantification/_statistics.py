"""Tests of groups of subjects: exact where they can be, refused where they mean nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outcome", "compare_groups", "holm"]

FEWEST = 3
"""Subjects that each group of a test must have."""

_MOST_SPLITS = 100_000  # of the subjects into two groups, each of which an exact test looks at


@dataclass(frozen=True)
class Outcome:
    """What a test of some groups gave.

    Parameters
    ----------
    method : str
        The test, in words.
    statistic : float
        U of the first group, or H.
    p : float
        The two-sided p-value.
    note : str
        What the reader has to know.
    """

    method: str
    statistic: float
    p: float
    note: str = ""


def compare_groups(groups: Sequence[Sequence[float]]) -> Outcome:
    """Test whether groups of subjects differ: two by Mann-Whitney's U, more by Kruskal-Wallis.

    The test of two groups is exact: with ties it goes through all ways to divide the subjects.

    Parameters
    ----------
    groups : sequence of sequence of float
        The numbers of each group, one a subject; at least two groups of at least one.

    Returns
    -------
    Outcome
        The test that was made, and its p-value, not corrected.

    Examples
    --------
    >>> result = compare_groups([[1, 2, 3], [4, 5, 6]])
    >>> result.method, result.p
    ('Mann-Whitney U, exact', 0.1)
    """
    values = np.concatenate([np.asarray(group, float) for group in groups])
    if np.ptp(values) == 0:
        return Outcome("none needed", math.nan, 1.0, "all values are equal")
    found: Any
    if len(groups) > 2:
        found = stats.kruskal(*groups)
        return Outcome(
            "Kruskal-Wallis, chi-squared approximation", float(found.statistic),
            float(found.pvalue),
        )  # fmt: skip
    first, second = groups
    splits = math.comb(len(first) + len(second), len(first))
    tied = len(np.unique(values)) < len(values)
    if tied and splits > _MOST_SPLITS:
        found = stats.mannwhitneyu(first, second, method="asymptotic")
        method = "Mann-Whitney U, normal approximation with ties"
    elif tied:
        every = stats.PermutationMethod(n_resamples=_MOST_SPLITS)
        found = stats.mannwhitneyu(first, second, method=every)
        method = "Mann-Whitney U, exact with ties"
    else:
        found = stats.mannwhitneyu(first, second, method="exact")
        method = "Mann-Whitney U, exact"
    least = 2 / splits
    note = f"these numbers of subjects allow no p below {least:.2g}" if least > 0.05 else ""
    return Outcome(method, float(found.statistic), float(found.pvalue), note)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values of several tests after Holm (1979): the chance of any false one is kept.

    Parameters
    ----------
    p_values : sequence of float
        The p-values of one family of tests.

    Returns
    -------
    list of float
        The corrected ones, in the same order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected
