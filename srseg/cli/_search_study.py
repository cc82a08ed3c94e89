"""What a search is of, and what it will do."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._search_watch import Watched

if TYPE_CHECKING:
    from srseg.evaluation import CandidatePlan, Folds, KeptFit

ITERATIONS = "estimator__max_iter"
"""The parameter that successive halving raises from round to round."""

FACTOR = 3
"""One candidate of so many goes on to the next round; scikit-learn's own."""


@dataclass(frozen=True)
class Study:
    """What is searched over, on what.

    Parameters
    ----------
    kept : KeptFit
        The estimator.
    grid : dict
        Values by parameter.
    folds : Folds
        The samples and how they are divided.
    classes : int
        Number of classes.
    dataset : Path
        The dataset folder.
    target : str
        The label set.
    halving : bool
        Whether by successive halving.
    skip_large : bool
        Whether candidates that cannot work are left out.
    """

    kept: "KeptFit"
    grid: dict[str, list[Any]]
    folds: "Folds"
    classes: int
    dataset: Path
    target: str
    halving: bool
    skip_large: bool


@dataclass(frozen=True)
class Plan:
    """What a search will do.

    Parameters
    ----------
    candidates : list of CandidatePlan
        What each candidate takes, with all iterations.
    work : list of Watched
        All that may be done.
    rounds : list of (candidates, iterations)
        More than one with successive halving.
    fits : int
        How many fits there will be.
    seconds : float
        How long they take one after the other; where that is not known, their number.
    done : int
        How many are done.
    seconds_left : float
        How long the others take one after the other.
    disk : int
        Bytes that the models of the others take.
    free : int
        Bytes that are free where they go.
    known : bool, default=True
        Whether it is known before what a fit takes: of networks it is.
    """

    candidates: "list[CandidatePlan]"
    work: list[Watched]
    rounds: list[tuple[int, int]]
    fits: int
    seconds: float
    done: int
    seconds_left: float
    disk: int
    free: int
    known: bool = True


def words(parameters: dict[str, Any]) -> str:
    """Give parameters for reading: ``width 32, depth 3``."""
    said = ", ".join(
        f"{name.removeprefix('estimator__').replace('_', ' ')} {value}"
        for name, value in parameters.items()
    )
    return said or "as it is"


def failures(study: Study, plan: Plan) -> list[tuple[str, str]]:
    """Name what failed, and why.

    Parameters
    ----------
    study : Study
        What was searched.
    plan : Plan
        All that may have been done.

    Returns
    -------
    list of (what, why)
        In the order of the candidates.
    """
    from srseg.evaluation import fits_in, scores_in

    fits, scores = fits_in(study.kept.folder), scores_in(study.kept.folder)
    found = []
    for one in plan.work:
        why = fits.failure(one.job.fit) or scores.failure(one.job.score)
        if why:
            found.append((one.words, why))
    return found
