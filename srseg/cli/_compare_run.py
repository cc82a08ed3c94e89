"""Planning and running a comparison of methods."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._output import counted, note, say, say_json, say_table
from srseg.cli._root import FAILED
from srseg.cli._search_watch import duration
from srseg.cli._signals import stopping_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from srseg.evaluation import ComparisonPlan, JobDone, MethodTable
    from srseg.volumes import Sample


def answer_plan(plan: "ComparisonPlan", *, as_json: bool) -> None:
    """Say what a comparison takes.

    Parameters
    ----------
    plan : ComparisonPlan
        The plan.
    as_json : bool
        Whether as the one JSON document.
    """
    done = {(job.method, job.kind, job.model, job.sample) for job in plan.done}
    rows: list[dict[str, Any]] = []
    jobs = plan.jobs
    for method, made in plan.study.methods.items():
        mine = [job for job in jobs if job.method == method]
        count = Counter(job.kind for job in mine)
        there = sum((j.method, j.kind, j.model, j.sample) in done for j in mine)
        is_file = plan.study.is_file(method)
        rows.append(
            {
                "method": method,
                "what": str(made) if is_file else " ".join(repr(made).split()),
                "fits": count["fit"],
                "predictions": count["predict"],
                "done": there,
            }
        )
    left = plan.seconds_left
    if as_json:
        say_json(
            {
                "methods": rows,
                "folds": None if plan.folds is None else
                {"how": plan.folds.how, "held_out": plan.folds.names},
                "tests": plan.tests,
                "jobs": len(jobs),
                "done": len(done),
                "seconds_left": left,
                "notes": list(plan.notes),
                "dry_run": True,
            }
        )  # fmt: skip
        return
    say_table(
        ["method", "fits", "predictions", "done", "what"],
        [[row[key] for key in ("method", "fits", "predictions", "done", "what")] for row in rows],
    )
    if plan.folds is not None:
        held = "; ".join(", ".join(names) for names in plan.folds.names)
        say(f"folds: {plan.folds.how}; held out: {held}")
    say(f"judged on: {', '.join(plan.tests)}")
    for text in plan.notes:
        say(f"note: {text}")
    rest = "how long the rest takes is known when one of each kind is done"
    rest = rest if left is None else f"about {duration(left)} left, by what was done so far"
    say(f"{counted(len(jobs), 'job')}, {len(done)} of them done: {rest}")


def warn_of_sizes(plan: "ComparisonPlan", samples: "Iterable[Sample]") -> None:
    """Warn of scans that a method would make much finer than they are.

    Parameters
    ----------
    plan : ComparisonPlan
        The plan.
    samples : iterable of Sample
        What is learned from.
    """
    from srseg.estimators import warn_of_coarse

    study, taught = plan.study, list(samples)
    made = [one for name, one in study.methods.items() if not study.is_file(name)]
    for size in sorted({getattr(one, "voxel_size", None) or 0.0 for one in made} - {0.0}):
        warn_of_coarse(taught, size)


def run_comparison(plan: "ComparisonPlan", table_format: str) -> None:
    """Do what is not done, write the tables and the figure into the folder, and say the table.

    Parameters
    ----------
    plan : ComparisonPlan
        The plan.
    table_format : {"text", "csv", "json", "markdown"}
        What is said.
    """
    plan.study.folder.mkdir(parents=True, exist_ok=True)
    jobs = plan.jobs
    there = len(plan.done)
    note(
        f"srseg: {counted(len(plan.study.methods), 'method')}, judged on {', '.join(plan.tests)}: "
        f"{counted(len(jobs), 'job')}" + (f", {there} of them done" if there else "")
    )
    with stopping_on_interrupt():
        table = plan.run(_tell)
    _write(plan, table)
    if table_format == "json":
        say_json(table.to_json() | {"folder": str(plan.study.folder)})
    else:
        render = {"text": table.to_text, "csv": table.to_csv, "markdown": table.to_markdown}
        say(render[table_format]().rstrip("\n"))
    note(f"srseg: tables and figure: {plan.study.folder}")
    if table.failed or table.missing:
        note("srseg: the same command tries again what failed")
        raise typer.Exit(FAILED)


def _tell(done: "JobDone") -> None:
    text = f"srseg: {done.number} of {done.count}: {done.job.words}: "
    if done.error is not None or done.seconds is None:
        note(f"{text}failed: {done.error}")
        return
    left = done.seconds_left
    more = "" if left is None or math.isclose(left, 0) else f"; about {duration(left)} left"
    note(f"{text}{duration(done.seconds)}{more}")


def _write(plan: "ComparisonPlan", table: "MethodTable") -> None:
    from srseg.reports import methods_figure, save_figure
    from srseg.storage import write_json, write_text

    folder = plan.study.folder
    write_text(folder / "compare.txt", table.to_text().rstrip("\n") + "\n", overwrite=True)
    write_text(folder / "compare.md", table.to_markdown().rstrip("\n") + "\n", overwrite=True)
    write_text(folder / "compare.csv", table.to_csv(), overwrite=True)
    write_json(folder / "compare.json", table.to_json(), overwrite=True)
    if any(method.scores is not None for method in table.methods):
        figure = methods_figure(table)
        for suffix in ("png", "svg"):
            save_figure(figure, folder / f"compare.{suffix}")
