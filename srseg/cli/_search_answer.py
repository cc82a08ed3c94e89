"""What a search says: its plan, and what it found."""

import json
import math
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import metric, note, say, say_json, size
from srseg.cli._search_study import Plan, Study, failures, words
from srseg.cli._search_watch import duration

if TYPE_CHECKING:
    from srseg.cli._search_place import Place
    from srseg.evaluation import CandidatePlan

_PREFIX = "estimator__"


def answer_plan(
    study: Study, place: "Place", plan: Plan, *, as_json: bool, as_note: bool = False
) -> None:
    """Say what a search takes.

    Parameters
    ----------
    study : Study
        What is searched.
    place : Place
        Where.
    plan : Plan
        What it takes.
    as_json : bool
        Whether as the one JSON document.
    as_note : bool, default=False
        Whether beside the answer, which is to come.
    """
    if as_json:
        say_json(_plan_document(study, place, plan) | {"dry_run": True})
        return
    tell = note if as_note else say
    tell(_aligned(_plan_rows(plan)))
    for one in plan.candidates:
        if one.problem:
            tell(f"{words(one.parameters)}: {one.problem}")
    unable = sum(bool(one.problem) for one in plan.candidates)
    if unable:
        tell(f"{unable} of {len(plan.candidates)} candidates cannot work and do not count below")
    tell(f"folds: {study.folds.how}; held out: {_held_out(study)}")
    if len(plan.rounds) > 1:
        steps = ", ".join(f"{n} for {most}" for n, most in plan.rounds)
        tell(f"successive halving: candidates for iterations: {steps}")
    fits = f"{plan.fits} fits {place.words}, {plan.done} of them done: "
    if not plan.known:
        tell(f"{fits}how long they take is known when the first is done")
        return
    left = duration(plan.seconds_left / place.jobs)
    tell(
        f"{fits}about {duration(plan.seconds)} one after the other, {left} left with {place.jobs} "
        "at a time (reckoned from three steps of the smallest; reading scans comes on top)"
    )
    tell(f"their models take {size(plan.disk)} on disk, where {size(plan.free)} are free")


def _plan_rows(plan: Plan) -> list[list[str]]:
    if not plan.known:
        return [["candidate"], *([words(one.parameters)] for one in plan.candidates)]
    rows = [["", "parameters", "FLOPs/slice", "memory", "time/fit", "scoring it"]]
    rows += [
        [
            words(one.parameters),
            *_cost(one),
            size(one.memory or 0),
            "does not fit" if one.problem else duration(one.fit_seconds or 0.0),
            "-" if one.problem else duration(one.score_seconds or 0.0),
        ]
        for one in plan.candidates
    ]
    return rows


def _cost(one: "CandidatePlan | None") -> list[str]:
    """Give parameters and operations of a network for reading."""
    if one is None or one.weights is None or one.flops is None:
        return ["-", "-"]
    return [metric(one.weights), metric(one.flops)]


def answer_results(study: Study, plan: Plan, search: Any, *, as_json: bool) -> bool:
    """Write what a search found into its folder, and say it.

    Parameters
    ----------
    study : Study
        What was searched.
    plan : Plan
        What it took.
    search : GridSearchCV or HalvingGridSearchCV
        Fitted.
    as_json : bool
        Whether as the one JSON document.

    Returns
    -------
    bool
        Whether all fits were made, and scored.
    """
    from srseg.errors import TrainingError
    from srseg.evaluation import kept_results
    from srseg.storage import write_json, write_text

    folder = Path(study.kept.folder)
    found = kept_results(search, study.folds.samples)
    results = _without_prefix(found)
    best = int(search.best_index_)
    failed = failures(study, plan)
    for what, why in failed:
        note(f"srseg: failed: {what}: {why}; the same command tries again")
    if math.isnan(results["mean_test_score"][best]):
        raise TrainingError(
            "no candidate has a score in every fold, so none can be chosen; what was finished is "
            f"kept in {folder}, the logs of what failed too, and the same command tries it again"
        )
    models = _keep_best(study, found["params"][best], folder / "best")
    document = {
        "best": {
            "parameters": results["params"][best],
            "score": _number(results["mean_test_score"][best]),
            "models": [str(path) for path in models],
        },
        "target": study.target,
        "folds": {"how": study.folds.how, "held_out": study.folds.names},
        "failed": [{"fit": what, "error": why} for what, why in failed],
        "cv_results": {key: [_number(v) for v in values] for key, values in results.items()},
    }
    table = _table(study, plan, results)
    write_text(folder / "results.csv", _csv(results), overwrite=True)
    write_text(folder / "results.txt", table + "\n", overwrite=True)
    write_json(folder / "results.json", document, overwrite=True)
    if plan.known:
        _draw(study, results, folder / "scaling.png")
    if as_json:
        say_json(document)
        return not failed
    say(table)
    say(f"best: {words(results['params'][best])}; its fold models: {models[0].parent}")
    say(
        "judge them on samples with HQ that took no part: srseg evaluate "
        f"{shlex.join(map(str, (*models, '-d', study.dataset)))} --against HQ"
    )
    return not failed


def _plan_document(study: Study, place: "Place", plan: Plan) -> dict[str, Any]:
    candidates = []
    for one in plan.candidates:
        document = one.to_dict()
        document["parameters"] = _short(document["parameters"])
        candidates.append(document)
    return {
        "candidates": candidates,
        "folds": {"how": study.folds.how, "held_out": study.folds.names},
        "rounds": [{"candidates": n, "iterations": most} for n, most in plan.rounds],
        "fits": plan.fits,
        "done": plan.done,
        "seconds": plan.seconds if plan.known else None,
        "seconds_left": plan.seconds_left if plan.known else None,
        "jobs": place.jobs,
        "disk": plan.disk if plan.known else None,
        "free": plan.free,
    }


def _held_out(study: Study) -> str:
    return "; ".join(", ".join(names) for names in study.folds.names)


def _without_prefix(results: dict[str, Any]) -> dict[str, Any]:
    """Give the results as those of the segmenter itself: ``param_width``."""
    short = {key.replace(f"param_{_PREFIX}", "param_"): values for key, values in results.items()}
    return short | {"params": [_short(one) for one in results["params"]]}


def _short(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(_PREFIX): value for name, value in parameters.items()}


def _keep_best(study: Study, parameters: dict[str, Any], folder: Path) -> list[Path]:
    """Put the fold models of a candidate into a folder, with names that people understand."""
    from srseg.evaluation import fits_in, search_jobs
    from srseg.storage import atomic_folder

    fits = fits_in(study.kept.folder)
    jobs = search_jobs(study.kept, [parameters], list(study.folds.samples), study.folds.splits)
    names = []
    with atomic_folder(folder, overwrite=True) as temporary:
        for job in jobs:
            if fits.record(job.fit) is not None:
                names.append(f"fold{job.fold + 1}.srseg")
                shutil.copyfile(fits.folder / f"{job.fit}.srseg", temporary / names[-1])
    return [folder / name for name in names]


def _table(study: Study, plan: Plan, results: dict[str, Any]) -> str:
    from srseg.metrics import standard_error

    splits = [results[f"split{i}_test_score"] for i in range(len(study.folds.splits))]
    sizes = {repr(sorted(_short(one.parameters).items())): one for one in plan.candidates}
    costs = ["parameters", "FLOPs/slice"] if plan.known else []
    rows = [["rank", "", *costs, "IoU", "time/fit"]]
    # with successive halving the last round decides, whatever an earlier one scored
    rounds = results.get("iter", [0] * len(results["params"]))
    keys = [(-of_round, rank) for of_round, rank in
            zip(rounds, results["rank_test_score"], strict=True)]  # fmt: skip
    for i in sorted(range(len(keys)), key=keys.__getitem__):
        parameters = dict(results["params"][i])
        known = dict(parameters)
        if study.halving:
            known.pop("max_iter", None)
        one = sizes.get(repr(sorted(known.items())))
        mean = results["mean_test_score"][i]
        error = float(standard_error([split[i] for split in splits]))
        iou = "failed" if math.isnan(mean) else f"{100 * mean:.2f} ± {100 * error:.2f}"
        rows.append(
            [
                str(1 + sum(key < keys[i] for key in keys)),
                words(parameters),
                *(_cost(one) if plan.known else []),
                iou,
                duration(results["mean_fit_time"][i]),
            ]
        )
    caption = (
        f"mean IoU x 100 against {study.target} of held-out samples, ± standard error over "
        f"{len(splits)} folds; it rewards copying the errors of {study.target}"
    )
    return f"{_aligned(rows)}\n{caption}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _csv(results: dict[str, Any]) -> str:
    from srseg.texts import csv_text

    lines = []
    for i in range(len(results["params"])):
        cells = (_number(values[i]) for values in results.values())
        lines.append([json.dumps(c) if isinstance(c, dict) else c for c in cells])
    return csv_text(list(results), lines)


def _number(value: Any) -> Any:
    """Give what JSON has a form for; None for NaN and for what a candidate does not have."""
    import numpy as np

    if value is np.ma.masked:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {key: _number(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _draw(study: Study, results: dict[str, Any], path: Path) -> None:
    from srseg.reports import save_figure, scaling_figure

    segmenter = study.kept.estimator
    figure = scaling_figure(
        results,
        backbone=segmenter.backbone,
        width=segmenter.width,
        depth=segmenter.depth,
        input_size=segmenter.input_size,
        n_classes=study.classes,
    )
    save_figure(figure, path)
