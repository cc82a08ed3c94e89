"""Planning and running a search."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._output import note
from srseg.cli._root import FAILED
from srseg.cli._search_answer import answer_plan, answer_results
from srseg.cli._search_place import Place, parallel
from srseg.cli._search_plan import plan_study
from srseg.cli._search_study import FACTOR, ITERATIONS, Plan, Study, failures, words
from srseg.cli._search_watch import Watch, watching

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_study(study: Study, place: Place, *, dry_run: bool, as_json: bool) -> None:
    """Say what a search takes; run it, unless that was all; say what it found.

    Parameters
    ----------
    study : Study
        What is searched.
    place : Place
        Where fits run.
    dry_run : bool
        Whether the plan is all.
    as_json : bool
        Whether the answer is one JSON document.
    """
    from srseg.errors import ParameterError
    from srseg.estimators import warn_of_coarse
    from srseg.storage import require_free_space

    folder = Path(study.kept.folder)
    if dry_run:  # each fit says so otherwise
        size = getattr(study.kept.estimator, "voxel_size", None)
        warn_of_coarse(list(study.folds.samples), size)
    if dry_run and place.slurm is not None:
        # nothing is asked of SLURM: reckoned as if it were here
        answer_plan(study, place, plan_study(study, None, 1), as_json=as_json)
        return
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
    seen = folder if folder.is_dir() else folder.parent
    with place.opened(study.dataset, seen) as client:
        if client is not None and place.scheduler:
            place = Place(max(1, sum(client.nthreads().values())), place.scheduler)
        plan = plan_study(study, client, place.jobs)
        if dry_run:
            answer_plan(study, place, plan, as_json=as_json)
            return
        problems = [c for c in plan.candidates if c.problem]
        if problems and not study.skip_large:
            raise ParameterError(
                f"{len(problems)} of {len(plan.candidates)} candidates cannot work: "
                + "; ".join(f"{words(c.parameters)}: {c.problem}" for c in problems)
                + ". Change the sizes, --batch-size or the machine, or leave these out with "
                "--skip-large"
            )
        able = [c.parameters for c in plan.candidates if not c.problem]
        if not able:
            raise ParameterError("no candidate is left; see them with --dry-run")
        require_free_space(folder, plan.disk, "keeping the models of this search")
        if not as_json:
            answer_plan(study, place, plan, as_json=False, as_note=True)
        search = _run(study, place, plan, able, client)
    if not answer_results(study, plan, search, as_json=as_json):
        raise typer.Exit(FAILED)


def _run(
    study: Study, place: Place, plan: Plan, able: "Sequence[dict[str, Any]]", client: Any
) -> Any:
    """Run scikit-learn's search; what is done before is taken from the folder."""
    from sklearn.exceptions import FitFailedWarning

    from srseg.errors import TrainingError

    watch = Watch(Path(study.kept.folder), plan.work, plan.seconds, plan.fits, place.jobs)
    if watch.done_before:
        note(f"srseg: {watch.done_before} of {plan.fits} fits are there already")
    search = _search(study, plan, able, None if client is not None else place.jobs)
    with warnings.catch_warnings(), watching(watch, plan.seconds), parallel(client, place.jobs):
        warnings.simplefilter("ignore", FitFailedWarning)  # the summary names them
        warnings.filterwarnings("ignore", "One or more of the test scores", UserWarning)
        warnings.filterwarnings("ignore", "Scoring failed", UserWarning)
        try:
            search.fit(study.folds.samples)
        except ValueError as error:
            if "fits failed" not in str(error):
                raise
            reasons = list(dict.fromkeys(reason for _, reason in failures(study, plan)))
            raise TrainingError(
                f"all fits failed: {'; '.join(reasons) or error}. The logs are in "
                f"{Path(study.kept.folder) / 'fits'}; the same command tries again"
            ) from None
        except Exception as error:
            if not type(error).__module__.startswith("distributed"):
                raise
            raise TrainingError(
                f"the cluster gave up ({type(error).__name__}: {error}); what was finished is "
                "kept, and the same command goes on with it"
            ) from None
    return search


def _search(study: Study, plan: Plan, able: "Sequence[dict[str, Any]]", jobs: int | None) -> Any:
    from sklearn.model_selection import GridSearchCV

    whole = len(able) == len(plan.candidates)
    grid = study.grid if whole else [{k: [v] for k, v in one.items()} for one in able]
    cv = list(study.folds.splits)
    if not study.halving:
        return GridSearchCV(study.kept, grid, cv=cv, n_jobs=jobs, refit=False)
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    return HalvingGridSearchCV(
        study.kept,
        grid,
        cv=cv,
        n_jobs=jobs,
        refit=False,
        return_train_score=False,
        resource=ITERATIONS,
        max_resources=max(one.iterations or 1 for one in plan.candidates),
        factor=FACTOR,
    )
