"""What ``accuracy.py`` shows: its table, paired differences and curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bone_study import SEEN
from numpy.typing import NDArray
from scipy import stats

Found = dict[tuple[str, float, int], dict[str, Any]]
CLASSES = ("bone", "DL", "RM")
# Okabe and Ito's, told apart by colour-blind readers; markers tell them apart in print
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#000000", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = "os^Dv*P"


def show(found: Found, beside: str) -> None:
    """Print the table in Markdown, with the differences to what stands in row `beside`."""
    first = next(iter(found.values()))
    reference = np.array(list(first["WF labels"].values()))
    known = seen_samples(first)
    print(
        "\nIoU against the truth of the held-out samples: mean over samples, ± standard error over "
        f"seeds where there are several. Differences of the mean IoU to {beside} with as many "
        "planes and minutes (also where it mirrors), with 95 % intervals (t) over samples and "
        "seeds (of one seed: over samples alone).\n"
    )
    columns = (
        "", "minutes", "planes", *CLASSES, "mean", f"{SEEN} (seen)", "unseen beamline",
        f"minus {beside}", "minus it, mirrored", "minutes taken", "iterations",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}")
    classes = [f"{value:.3f}" for value in reference.mean(0)]
    parts = [reference[known].mean(), reference[~known].mean()]
    cells = ["WF labels", "", "", *classes, f"{reference.mean():.3f}", *(f"{p:.3f}" for p in parts)]
    print(f"| {' | '.join([*cells, '', '', '', ''])} |")
    for row, minutes in dict.fromkeys((row, minutes) for row, minutes, _ in found):
        runs = [run for (r, m, _), run in found.items() if (r, m) == (row, minutes)]
        for column in runs[0]["scores"]:
            scores = scores_of(found, row, minutes, column)
            means = scores.mean(-1)  # seeds, samples
            differences = []
            for other in dict.fromkeys((column.split()[0], f"{column.split()[0]} mirrored")):
                same = row == beside and column == other
                theirs = scores_of(found, beside, minutes, other)
                differences.append("" if same else difference(scores, theirs))
            cells = [
                row, f"{minutes:g}", column.replace(" ", ", "),
                *(spread(scores[..., k].mean(1)) for k in range(len(CLASSES))),
                spread(means.mean(1)), spread(means[:, known].mean(1)),
                spread(means[:, ~known].mean(1)), *differences,
                spread([run["seconds"] / 60 for run in runs], "{:.1f}"),
                f"{np.mean([run['iterations'] for run in runs]):.0f}",
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |")


def scores_of(found: Found, row: str, minutes: float, column: str) -> NDArray[np.float64]:
    """Give IoU by seed, sample and class; nothing where there is none."""
    runs = [run for (r, m, _), run in found.items() if (r, m) == (row, minutes)]
    told = [list(run["scores"][column].values()) for run in runs if column in run["scores"]]
    return np.array(told, float)


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> str:
    """Give the paired difference of the mean IoU, with its interval."""
    if ours.shape != theirs.shape:
        return ""
    mean, margin = paired(ours.mean(-1) - theirs.mean(-1))
    return f"{mean:+.3f} ± {margin:.3f}" if np.isfinite(margin) else f"{mean:+.3f}"


def paired(differences: NDArray[Any]) -> tuple[float, float]:
    """Give the mean of differences by seed and sample, and half its 95 % interval.

    Samples and seeds are crossed random effects. The variance of the mean is taken as the sum of
    that of the samples' means and that of the seeds' means, which counts what is left over twice
    and so is rather too large; degrees of freedom after Satterthwaite.
    """
    parts = []
    for axis in (0, 1):
        means = differences.mean(axis)
        if len(means) > 1:
            parts.append((means.var(ddof=1) / len(means), len(means) - 1))
    variance = sum(v for v, _ in parts)
    if not variance:
        return float(differences.mean()), float("nan")
    freedom = variance**2 / sum(v**2 / n for v, n in parts)
    return float(differences.mean()), float(stats.t.ppf(0.975, freedom) * variance**0.5)


def seen_samples(run: dict[str, Any]) -> NDArray[np.bool_]:
    """Tell which samples are of the beamline that was trained on."""
    return np.array([beamline == SEEN for beamline in run["beamlines"].values()])


def spread(values: Sequence[float] | NDArray[Any], form: str = "{:.3f}") -> str:
    """Give mean ± standard error."""
    mean = form.format(np.mean(values))
    if len(values) < 2:
        return mean
    return f"{mean} ± {form.format(np.std(values, ddof=1) / len(values) ** 0.5)}"


def draw_curves(found: Found, path: Path) -> None:
    """Draw the mean IoU against the minutes, a panel for each way to predict."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = list(dict.fromkeys(column for run in found.values() for column in run["scores"]))
    plain = [column for column in columns if " " not in column]
    figure, axes = plt.subplots(
        1,
        len(plain),
        figsize=(5.5 * len(plain), 4),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, column in zip(axes[0], plain, strict=True):
        for number, row in enumerate(dict.fromkeys(row for row, _, _ in found)):
            for style, shown in (("-", column), ("--", f"{column} mirrored")):
                minutes = sorted({m for r, m, _ in found if r == row})
                by = [scores_of(found, row, m, shown).mean((1, 2)) for m in minutes
                      if len(scores_of(found, row, m, shown))]  # fmt: skip
                if by:
                    errors = [b.std(ddof=1) / len(b) ** 0.5 if len(b) > 1 else 0.0 for b in by]
                    axis.errorbar(
                        minutes, [b.mean() for b in by], errors, color=COLOURS[number % 7],
                        ls=style, marker=MARKERS[number % 7], capsize=3,
                        label=row + shown.removeprefix(column),
                    )  # fmt: skip
        axis.set(
            title=f"{column} plane{'s' * (column != '1')}",
            xlabel="minutes of training",
            xscale="log",
        )
        budgets = sorted({minutes for _, minutes, _ in found})
        axis.set_xticks(budgets, [f"{minutes:g}" for minutes in budgets])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("mean IoU of bone, DL and RM against the truth")
    # bars: standard error over seeds; beside the panels, where it covers no curve
    axes[0, -1].legend(
        fontsize="small", title="bars: SE over seeds", loc="upper left", bbox_to_anchor=(1, 1)
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
