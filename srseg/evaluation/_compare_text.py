"""The table of a comparison for reading, and for other programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from srseg.evaluation._compare_missing import TITLES
from srseg.evaluation._means import caption_of_means, means_over
from srseg.evaluation._table import ScoreTable
from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.evaluation._compare_table import ComparedMethod, MethodTable


def to_text(table: MethodTable) -> str:
    """Give the tables as aligned plain text.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    str
        Several lines.
    """
    cells = [heads(table), *_cells(table)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    return "\n".join([*lines, *captions(table), *_apart(table, "to_text")])


def to_markdown(table: MethodTable) -> str:
    """Give the tables as Markdown.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    str
        Several lines.
    """
    rule = ["---"] + ["---:"] * (len(heads(table)) - 1)
    rows = [heads(table), rule, *_cells(table)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *captions(table), *_apart(table, "to_markdown")])


def heads(table: MethodTable) -> list[str]:
    """Name the columns.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    list of str
        The method, each foreground class, the mean, times, memory, implant numbers.
    """
    classes = [c.abbreviation or c.name for c in table.table.foreground]
    numbers = [f"{name} off" for name in TITLES]
    return ["method", *classes, "mean", "fit min", "predict min", "memory GB", *numbers]


def captions(table: MethodTable) -> list[str]:
    """Say what the numbers are, what failed, and what the reader has to know.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    list of str
        Lines.
    """
    models = max((len(m.scores.per_model) for m in table.methods if m.scores), default=0)
    errors = f"; ± standard error over {models} models" if models > 1 else ""
    distance = table.measures[2].removeprefix("bone_fraction_").removesuffix("um")
    judged, how_far = f"of {', '.join(table.tests)}", f"from those of {table.against}"
    rows = [one.scores for one in table.methods if one.scores is not None]
    what = f"IoU x 100 against {table.against} {judged}; mean over samples, then classes{errors}."
    lines = [
        what + caption_of_means(rows),
        "Minutes of a fit and of labelling one sample; memory of a process, fitting / predicting.",
        f"Off: how far DR, BIC, BV/TV (within {distance} µm) are {how_far}, in percent, unsigned.",
        *table.without,
    ]
    if table.folds:
        lines.append(f"Fitted on {table.folds}.")
    if table.missing:
        lines.append(f"Not all is done: {table.missing} fits and predictions are missing.")
    lines += [f"Failed: {line}" for one in table.methods for line in _reasons(one)]
    return [*lines, *(f"Note: {note}" for note in table.notes)]


def to_csv(table: MethodTable) -> str:
    """Give the table as CSV.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    str
        A line for each method.
    """
    classes = [*(c.key for c in table.table.foreground), "mean"]
    scores = [column for name in classes for column in (name, f"{name}_se")]
    scores.append("mean_over")
    apart = [f"held_out_{column}" for column in scores] if table.held_out else []
    numbers = [c for name in table.measures for c in (f"{name}_off", f"{name}_off_se")]
    heads = [
        "method", "how", "models", *scores, "fit_seconds", "predict_seconds", "fit_bytes",
        "predict_bytes", "gpu_bytes", *numbers, *apart, "failed",
    ]  # fmt: skip
    lines = []
    for one in table.methods:
        row: list[Any] = [one.name, one.how, 0 if one.scores is None else len(one.scores.per_model)]
        row += _csv_scores(table, one.scores)
        row += [_csv_number(_mean(one.fit_seconds)), _csv_number(_mean(one.predict_seconds))]
        row += [one.fit_bytes, one.predict_bytes, one.gpu_bytes or None]
        row += [_percent(v, "") for name in table.measures for v in one.deviation(name)]
        row += _csv_scores(table, one.held_out) if table.held_out else []
        lines.append([*row, "; ".join(_reasons(one))])
    return csv_text(heads, lines)


def to_json(table: MethodTable) -> dict[str, Any]:
    """Give everything as plain data for JSON.

    Parameters
    ----------
    table : MethodTable
        What was found.

    Returns
    -------
    dict
        What does not exist is None.
    """
    scored = {"scores": (table.against, "scores"), "held_out": (table.held_out, "held_out")}
    methods = []
    for one in table.methods:
        document: dict[str, Any] = {"name": one.name, "how": one.how}
        for key, (against, attribute) in scored.items():
            row = getattr(one, attribute)
            whole = None if row is None else ScoreTable(table.table, (row,), str(against)).to_json()
            document[key] = None if whole is None else whole["rows"][0]
        document |= {
            "fit_seconds": list(one.fit_seconds),
            "predict_seconds": list(one.predict_seconds),
            "fit_bytes": one.fit_bytes,
            "predict_bytes": one.predict_bytes,
            "gpu_bytes": one.gpu_bytes,
            "deviation": {
                name: dict(zip(("mean", "standard_error"), map(_number, pair), strict=True))
                for name in table.measures
                for pair in [one.deviation(name)]
            },
            "measures": [dict(found) for found in one.measures],
            "failed": [{"job": what, "error": why} for what, why in one.failures],
        }
        methods.append(document)
    return {
        "against": table.against,
        "held_out": table.held_out,
        "tests": list(table.tests),
        "folds": table.folds,
        "measures": list(table.measures),
        "notes": list(table.notes),
        "missing": table.missing,
        "without": list(table.without),
        "methods": methods,
    }


def _apart(table: MethodTable, form: str) -> list[str]:
    rows = [one.held_out for one in table.methods if one.held_out is not None]
    if not rows:
        return []
    scores = ScoreTable(table.table, tuple(rows), f"held-out {table.held_out}")
    what = f"this rewards copying the errors of {table.held_out}"
    begin = f"Apart, each model on the samples of the fold that it was not trained on ({what}):"
    return ["", begin, "", getattr(scores, form)()]


def _reasons(one: ComparedMethod) -> list[str]:
    """Say each reason once, with all that failed for it."""
    by_reason: dict[str, list[str]] = {}
    for what, why in one.failures:
        by_reason.setdefault(why, []).append(what)
    return [f"{', '.join(found)}: {why}" for why, found in by_reason.items()]


def _cells(table: MethodTable) -> list[list[str]]:
    scored = [one for one in table.methods if one.scores is not None]
    over = means_over([one.scores for one in scored if one.scores is not None])
    behind = dict(zip((one.name for one in scored), over, strict=True))
    lines = []
    for one in table.methods:
        scores = _scores(table, one.scores)
        pairs = list(zip(scores[::2], scores[1::2], strict=True))
        line = [one.name, *(_percent(v, "-") + _plus_minus(error) for v, error in pairs)]
        line[-1] += behind.get(one.name, "")
        if one.scores is None:
            line[1] = "failed" if one.failures else "-"
        line += [_minutes(one.fit_seconds), _minutes(one.predict_seconds), _memory(one)]
        for name in table.measures:
            value, error = one.deviation(name)
            line.append("-" if math.isnan(value) else f"{100 * value:.1f}{_plus_minus(error, 1)}")
        lines.append(line)
    return lines


def _scores(table: MethodTable, row: Any) -> list[float]:
    """Give IoU and standard error of each class, then of the mean."""
    if row is None:
        return [math.nan] * (2 * len(table.table.foreground) + 2)
    values, errors = [*row.iou.tolist(), row.mean], [*row.iou_error.tolist(), row.mean_error]
    return [n for pair in zip(values, errors, strict=True) for n in pair]


def _csv_scores(table: MethodTable, row: Any) -> list[str]:
    """Give IoU and standard error of each class and of the mean, and what the mean is over."""
    counts = sorted({*row.n_in_mean}) if row is not None else []
    over = " to ".join(map(str, counts))  # "2-3" is a date to a spreadsheet
    return [*(_percent(value, "") for value in _scores(table, row)), over]


def _percent(value: float, missing: str) -> str:
    return missing if math.isnan(value) else f"{100 * value:.2f}"


def _plus_minus(error: float, digits: int = 2) -> str:
    return "" if math.isnan(error) else f" ± {100 * error:.{digits}f}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _minutes(seconds: Sequence[float]) -> str:
    mean = _mean(seconds) / 60
    return "-" if math.isnan(mean) else f"{mean:.2g}" if mean < 10 else f"{mean:.0f}"


def _memory(one: ComparedMethod) -> str:
    def gigabytes(n: int | None) -> str:
        return f"{n / 1e9:.2g}" if n else "-"

    if not one.fit_bytes and not one.predict_bytes:
        return "-"
    gpu = f" + {one.gpu_bytes / 1e9:.2g} GPU" if one.gpu_bytes else ""
    return f"{gigabytes(one.fit_bytes)} / {gigabytes(one.predict_bytes)}{gpu}"


def _csv_number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
