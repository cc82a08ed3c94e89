"""The paper's Table 2 for any model and dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.evaluation._means import caption_of_means, means_over
from srseg.metrics import mean_of_present, standard_error
from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from srseg.evaluation._scores import SampleScores
    from srseg.labels import LabelTable


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """The IoU of one method, over the foreground classes (C of them).

    Parameters
    ----------
    key : str
        A short name for machines, for example ``"soft3"``.
    method : str
        The name that is printed, for example ``"mean, 3 planes"``.
    per_model : ndarray of shape (n_models, C)
        IoU of each class, averaged over the samples, for each model.
    pooled : ndarray of shape (n_models, C), optional
        IoU of each class when the voxels of all samples are counted together.
    samples : tuple of str, default=()
        Names of the samples.
    per_sample : ndarray of shape (n_models, n_samples, C), optional
        IoU of each class in each sample.

    Examples
    --------
    >>> row = ScoreRow("single", "1 plane (rc)", np.array([[0.9683, 0.8016, 0.9365]]))
    >>> round(row.mean, 4)
    0.9021
    """

    key: str
    method: str
    per_model: NDArray[np.float64]
    pooled: NDArray[np.float64] | None = None
    samples: tuple[str, ...] = ()
    per_sample: NDArray[np.float64] | None = None

    @classmethod
    def from_scores(cls, key: str, method: str, scores: Sequence[SampleScores]) -> ScoreRow:
        """Average scores over samples, and keep one line for each model.

        Parameters
        ----------
        key : str
            A short name for machines.
        method : str
            The name that is printed.
        scores : sequence of SampleScores
            One for each model, on the same samples; just one for a label set.

        Returns
        -------
        ScoreRow
            The row.

        Raises
        ------
        ParameterError
            If there are no scores, or they are of different samples.
        LabelError
            If they are of different label tables.
        """
        if not scores:
            raise ParameterError(f"{method}: there are no scores")
        first = scores[0]
        for other in scores[1:]:
            first.table.require_same(other.table, where=method)
            if other.samples != first.samples:
                raise ParameterError(
                    f"{method}: models are compared on the same samples, found "
                    f"{', '.join(first.samples)} and {', '.join(other.samples)}"
                )
        summaries = [score.summary for score in scores]
        return cls(
            key,
            method,
            per_model=np.stack([s.per_class[1:] for s in summaries]),
            pooled=np.stack([s.pooled[1:] for s in summaries]),
            samples=first.samples,
            per_sample=np.stack([s.per_sample[:, 1:] for s in summaries]),
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of each class: the mean over the models."""
        return mean_of_present(self.per_model, axis=0)

    @property
    def iou_error(self) -> NDArray[np.float64]:
        """Standard error of `iou` over the models; NaN where there is one model."""
        return standard_error(self.per_model, axis=0)

    @property
    def mean(self) -> float:
        """Mean IoU: over the classes, then over the models."""
        return float(mean_of_present(mean_of_present(self.per_model, axis=1), axis=0))

    @property
    def n_in_mean(self) -> tuple[int, int]:
        """Over how many classes `mean` is, at least and at most of the models.

        A class that is neither in the truth nor in what a model gives has no IoU.
        """
        counts = (~np.isnan(self.per_model)).sum(1)
        return int(counts.min()), int(counts.max())

    @property
    def mean_error(self) -> float:
        """Standard error of `mean` over the models; NaN where there is one model."""
        return float(standard_error(mean_of_present(self.per_model, axis=1)))


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """IoU of several methods against one truth, in the form of the paper's Table 2.

    Texts show the IoU times 100 with two decimals, ± its standard error where there are two models
    or more. A class that occurs nowhere has ``-``. `to_json` gives plain fractions and everything
    that was kept.

    Parameters
    ----------
    table : LabelTable
        The classes; the background is not shown.
    rows : tuple of ScoreRow
        One for each method.
    against : str, default="truth"
        What the methods are compared with, for example ``"HQ"``.

    Raises
    ------
    ParameterError
        If a row has another number of classes than the table.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> row = ScoreRow("single", "1 plane (rc)", np.array([[0.9683, 0.8016, 0.9365]]))
    >>> print(ScoreTable(DEFAULT_LABELS, (row,), against="HQ").to_text())
    method         bone     DL     RM   mean
    1 plane (rc)  96.83  80.16  93.65  90.21
    IoU x 100 against HQ; mean over samples, then over classes without background.
    """

    table: LabelTable
    rows: tuple[ScoreRow, ...]
    against: str = "truth"

    def __post_init__(self) -> None:
        n_classes = len(self.table.foreground)
        for row in self.rows:
            if row.per_model.ndim != 2 or row.per_model.shape[1] != n_classes:
                raise ParameterError(
                    f"{row.method}: a row needs the IoU of {n_classes} classes for each model, "
                    f"found shape {row.per_model.shape}"
                )

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the columns: the method, each foreground class, the mean."""
        return ("method", *(c.abbreviation or c.name for c in self.table.foreground), "mean")

    def to_text(self) -> str:
        """Give the table as aligned plain text.

        Returns
        -------
        str
            Lines of equal width, and one that says what the numbers are.
        """
        cells = [self.heads, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        ]
        return "\n".join([*lines, self._caption()])

    def to_markdown(self) -> str:
        """Give the table as Markdown.

        Returns
        -------
        str
            A table, and a paragraph that says what the numbers are.
        """
        cells = [[cell.replace("|", "\\|") for cell in line] for line in self._cells()]
        heads = [head.replace("|", "\\|") for head in self.heads]
        rule = ["---"] + ["---:"] * (len(heads) - 1)
        lines = ["| " + " | ".join(line) + " |" for line in (heads, rule, *cells)]
        return "\n".join([*lines, "", self._caption()])

    def to_csv(self) -> str:
        """Give the table as CSV.

        Returns
        -------
        str
            IoU times 100, in a column for each class and one for its standard error (``_se``),
            which is empty where there is one model; a class that occurs nowhere is empty too.
        """
        names = [*(c.key for c in self.table.foreground), "mean"]
        heads = ["method", "models", *(h for name in names for h in (name, f"{name}_se"))]
        lines = (
            [row.method, len(row.per_model), *(_percent(n, "") for p in _pairs(row) for n in p)]
            for row in self.rows
        )
        return csv_text(heads, lines)

    def to_json(self) -> dict[str, Any]:
        """Give the table as plain data for JSON, as fractions.

        Returns
        -------
        dict
            Keys ``against``, ``classes`` and ``rows``; each row has ``key``, ``method``,
            ``models``, ``classes_in_mean`` (fewest and most of the models), ``iou`` and
            ``standard_error`` (by class key, and ``mean``), ``per_model``, and where known
            ``pooled`` and ``per_sample`` (averaged over the models). What does not exist is None.
        """
        return {
            "against": self.against,
            "classes": [{"key": c.key, "name": c.name} for c in self.table.foreground],
            "rows": [self._row_to_json(row) for row in self.rows],
        }

    def _row_to_json(self, row: ScoreRow) -> dict[str, Any]:
        data = {
            "key": row.key,
            "method": row.method,
            "models": len(row.per_model),
            "classes_in_mean": list(row.n_in_mean),
            "iou": self._by_class(row.iou, row.mean),
            "standard_error": self._by_class(row.iou_error, row.mean_error),
            "per_model": [self._by_class(values) for values in row.per_model],
        }
        if row.pooled is not None:
            pooled_mean = float(mean_of_present(mean_of_present(row.pooled, 1), 0))
            data["pooled"] = self._by_class(mean_of_present(row.pooled, 0), pooled_mean)
        if row.per_sample is not None:
            averages = mean_of_present(row.per_sample, axis=0)
            data["per_sample"] = {
                name: self._by_class(values)
                for name, values in zip(row.samples, averages, strict=True)
            }
        return data

    def _by_class(self, values: ArrayLike, mean: float | None = None) -> dict[str, float | None]:
        numbers = np.asarray(values, np.float64)
        if mean is None:
            mean = float(mean_of_present(numbers, axis=0))
        keys = [*(c.key for c in self.table.foreground), "mean"]
        return {
            key: None if math.isnan(number) else number
            for key, number in zip(keys, [*numbers.tolist(), mean], strict=True)
        }

    def _cells(self) -> list[list[str]]:
        cells = [
            [row.method, *(_percent(value) + _plus_minus(error) for value, error in _pairs(row))]
            for row in self.rows
        ]
        for line, over in zip(cells, means_over(self.rows), strict=True):
            line[-1] += over
        return cells

    def _caption(self) -> str:
        models = max((len(row.per_model) for row in self.rows), default=0)
        errors = f"; ± standard error over {models} models" if models > 1 else ""
        return (
            f"IoU x 100 against {self.against}; mean over samples, then over classes without "
            f"background{errors}.{caption_of_means(self.rows)}"
        )


def _pairs(row: ScoreRow) -> list[tuple[float, float]]:
    """Give value and standard error of each class, then of the mean."""
    values, errors = [*row.iou.tolist(), row.mean], [*row.iou_error.tolist(), row.mean_error]
    return list(zip(values, errors, strict=True))


def _percent(value: float, missing: str = "-") -> str:
    return missing if math.isnan(value) else f"{100 * value:.2f}"


def _plus_minus(error: float) -> str:
    return "" if math.isnan(error) else f" ± {100 * error:.2f}"
