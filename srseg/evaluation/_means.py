"""Means over different classes in one table, so that nobody takes them for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.evaluation._table import ScoreRow


def means_over(rows: Sequence[ScoreRow]) -> list[str]:
    """Say over how many classes the mean of each row is, where these are not the same in all.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Rows that stand in one table.

    Returns
    -------
    list of str
        What is put behind each mean, as in ``" (2 of 3)"``; nothing where all have the same.
    """
    counts = [row.n_in_mean for row in rows]
    if len({tuple(lost) for row in rows for lost in np.isnan(row.per_model).tolist()}) < 2:
        return [""] * len(counts)
    of = [row.per_model.shape[1] for row in rows]
    return [
        f" ({low if low == high else f'{low}-{high}'} of {n})"
        for (low, high), n in zip(counts, of, strict=True)
    ]


def caption_of_means(rows: Sequence[ScoreRow]) -> str:
    """Say what `means_over` puts behind means.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Rows that stand in one table.

    Returns
    -------
    str
        A sentence with a space before it; nothing where there is nothing to say.
    """
    if not any(means_over(rows)):
        return ""
    return (
        " (n of m): a mean over n of the m classes, because the others are neither in the truth "
        "nor in what was found; compare it with means over the same classes alone."
    )
