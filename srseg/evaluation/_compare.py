"""Is the network worth it: any methods on the same folds, with what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import ParameterError
from srseg.evaluation._compare_inputs import (
    has_labels,
    notes_on_files,
    require_apart,
    require_methods,
)
from srseg.evaluation._compare_run import jobs_of, run_jobs, seconds_left
from srseg.evaluation._compare_study import CompareStudy
from srseg.evaluation._compare_table import MethodTable, collect
from srseg.evaluation._folds import make_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from srseg.evaluation._compare_run import JobDone
    from srseg.evaluation._compare_study import CompareJob
    from srseg.evaluation._folds import Folds
    from srseg.volumes import Sample


@dataclass(frozen=True, eq=False)
class ComparisonPlan:
    """A comparison of methods that may be run, stopped, and gone on with.

    Parameters
    ----------
    study : CompareStudy
        What is compared, and how.
    notes : tuple of str
        What the reader has to know.
    """

    study: CompareStudy
    notes: tuple[str, ...] = ()

    @property
    def folds(self) -> Folds | None:
        """The folds of the samples to learn from; None where nothing is fitted."""
        return self.study.folds

    @property
    def tests(self) -> list[str]:
        """Names of the samples that methods are judged on."""
        return [sample.name for sample in self.study.tests]

    @property
    def jobs(self) -> list[CompareJob]:
        """All fits and predictions, in order, whether they are done or not."""
        return jobs_of(self.study)

    @property
    def done(self) -> list[CompareJob]:
        """Those that are done."""
        return [job for job in self.jobs if self.study.record(job) is not None]

    @property
    def seconds_left(self) -> float | None:
        """How long the others take, as far as some like them were done; None where none was."""
        return seconds_left(self.study, self.jobs)

    def run(self, tell: Callable[[JobDone], None] | None = None) -> MethodTable:
        """Do what is not done, each fit and each prediction in a process of its own.

        Parameters
        ----------
        tell : callable, optional
            Called with what became of a job when it has ended.

        Returns
        -------
        MethodTable
            What was found; a method that failed is named in it.

        Raises
        ------
        Stopped
            Where it was asked to stop; the same comparison goes on later.
        """
        run_jobs(self.study, tell)
        return collect(self.study, jobs_of(self.study), self.notes)


def plan_comparison(
    methods: Mapping[str, Any],
    samples: Any,
    folder: str | Path,
    *,
    tests: Iterable[Sample] | None = None,
    against: str = "HQ",
    held_out: str | None = "WF",
    baselines: Sequence[str] = (),
    folds: int = 4,
    planes: int = 3,
    voting: Literal["soft", "hard"] = "soft",
    distance: float = 200.0,
    minutes: float | None = None,
) -> ComparisonPlan:
    """Say what a comparison of methods takes; nothing is fitted.

    Parameters
    ----------
    methods : mapping of str to estimator or path
        What is compared, as for `compare_segmenters`; the others too.
    samples : Dataset or sequence of Sample
        What is learned from.
    folder : path
        Where all is kept.
    tests : iterable of Sample, optional
        What methods are judged on.
    against : str, default="HQ"
        The label set that counts as true.
    held_out : str, optional
        The label set that held-out samples are scored with, apart.
    baselines : sequence of str, default=()
        Label sets that are judged too.
    folds : int, default=4
        Into how many folds the subjects are divided.
    planes : {1, 3, 9}, default=3
        How many planes are fused.
    voting : {"soft", "hard"}, default="soft"
        How.
    distance : float, default=200.0
        The distance within which BV/TV is measured, in µm.
    minutes : float, optional
        About how long a fit may take.

    Returns
    -------
    ComparisonPlan
        Look at its jobs, or `run` it.

    Raises
    ------
    ParameterError
        If there is nothing to compare, to learn from, or to be judged on.
    """
    require_methods(methods)
    if planes not in (1, 3, 9):
        raise ParameterError(f"planes is 1, 3 or 9, found {planes!r}")
    if voting not in ("soft", "hard"):
        raise ParameterError(f"voting is 'soft' or 'hard', found {voting!r}")
    if minutes is not None and not minutes > 0:
        raise ParameterError(f"minutes is greater than 0, found {minutes!r}")
    apart = tests is not None
    fitted = [name for name, method in methods.items() if not isinstance(method, (str, Path))]
    divided = make_folds(samples, folds) if fitted else None
    judged = list(tests) if tests is not None else None
    if judged is None:
        given = list(samples) if divided is None else list(divided.samples)
        judged = [sample for sample in given if has_labels(sample, against)]
    if not judged:
        raise ParameterError(
            f"no sample has the label set {against!r} to judge methods with; add one, or name "
            "another that counts as true (against)"
        )
    notes = []
    if apart and divided is not None:
        require_apart(divided, judged)
    without = [s.name for s in judged if any(not has_labels(s, name) for name in baselines)]
    if without:
        raise ParameterError(
            f"{', '.join(without)} lacks one of the label sets {', '.join(baselines)} that are to "
            "be judged like predictions; leave those out (baselines)"
        )
    if apart is False and divided is not None:
        notes.append(
            f"each model is judged on the samples with {against} of the fold that it was not "
            "trained on, since none were set apart; ± is over models with samples of their own"
        )
    notes += notes_on_files(methods, judged)
    return ComparisonPlan(
        CompareStudy(
            methods=dict(methods),
            folder=Path(folder).absolute(),
            folds=divided,
            tests=tuple(judged),
            apart=apart,
            against=against,
            held_out=None if held_out == against else held_out,
            baselines=tuple(baselines),
            planes=planes,
            voting=voting,
            distance=float(distance),
            minutes=minutes,
        ),
        tuple(notes),
    )


def compare_segmenters(
    methods: Mapping[str, Any],
    samples: Any,
    folder: str | Path,
    *,
    tests: Iterable[Sample] | None = None,
    against: str = "HQ",
    held_out: str | None = "WF",
    baselines: Sequence[str] = (),
    folds: int = 4,
    planes: int = 3,
    voting: Literal["soft", "hard"] = "soft",
    distance: float = 200.0,
    minutes: float | None = None,
    tell: Callable[[JobDone], None] | None = None,
) -> MethodTable:
    """Compare methods on the same folds: IoU by class, time, memory, and implant numbers.

    Each method is fitted on the folds by subject (paper: 4), and the model of each fold labels the
    same test samples; ± is the standard error over those models. Apart from that, each model is
    scored on the samples of the fold that it was not trained on, which rewards copying the errors
    of the labels that were learned from. Each fit and each prediction runs in a new process, whose
    memory is measured with everything that it has loaded. What is done is kept in a folder, and
    never done twice; what was stopped or killed goes on.

    Parameters
    ----------
    methods : mapping of str to estimator or path
        What is compared, by the name that stands in the table: estimators that are not fitted, such
        as `srseg.estimators.create_segmenter` makes them, or paths of model files, which are judged
        as they are.
    samples : Dataset or sequence of Sample
        What is learned from, with its target label set. One sample alone is cut into slabs.
    folder : path
        Where fits, scores and their records are kept.
    tests : iterable of Sample, optional
        What methods are judged on: samples of other subjects. Where it is None, those of `samples`
        that have `against`, each judged by the model that was not trained on it.
    against : str, default="HQ"
        The label set that counts as true.
    held_out : str, optional
        The label set that held-out samples are scored with, apart; ``"WF"`` by default.
    baselines : sequence of str, default=()
        Label sets of the tests that are judged as if they were predictions.
    folds : int, default=4
        Into how many folds the subjects are divided.
    planes : {1, 3, 9}, default=3
        How many planes are fused of methods that label slices; others label the volume itself.
    voting : {"soft", "hard"}, default="soft"
        How they are fused.
    distance : float, default=200.0
        The distance to the implant within which BV/TV is measured, in µm.
    minutes : float, optional
        About how long a fit may take, of methods that have a number of iterations (``max_iter``)
        that was left open: first it is found how many they make of the first fold in that time.
    tell : callable, optional
        Called with a `JobDone` when a fit or a prediction has ended.

    Returns
    -------
    MethodTable
        A row for each method. One that failed is there too, and says why.

    Raises
    ------
    ParameterError
        If there is nothing to compare, to learn from, or to be judged on; or a test sample is of a
        subject that is learned from.
    Stopped
        Where it was asked to stop.

    Notes
    -----
    New processes import the program that is running: as with everything that is built on
    :mod:`multiprocessing`, a script that calls this does so under ``if __name__ == "__main__":``.
    """
    plan = plan_comparison(
        methods,
        samples,
        folder,
        tests=tests,
        against=against,
        held_out=held_out,
        baselines=baselines,
        folds=folds,
        planes=planes,
        voting=voting,
        distance=distance,
        minutes=minutes,
    )
    return plan.run(tell)
