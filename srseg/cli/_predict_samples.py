"""Labelling many samples: what fails does not stop the rest."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from srseg.cli._errors import words_of

if TYPE_CHECKING:
    from srseg.cli._predict_sample import SampleJob
    from srseg.dataset import Dataset

Row = dict[str, Any]
"""What became of one sample: ``scan`` and ``status``, and the rest by status."""


def predict_samples(
    job: "SampleJob",
    chosen: "Dataset",
    tell: Callable[[Row], None],
    *,
    dry_run: bool,
    debug: bool,
) -> list[Row]:
    """Label samples one after the other, those that are done left out.

    Parameters
    ----------
    job : SampleJob
        Labels one.
    chosen : Dataset
        The samples.
    tell : callable
        Gets the row of each sample as soon as it is done.
    dry_run : bool
        Whether it is only said how they would be labelled.
    debug : bool
        Whether an error ends it all, with its traceback.

    Returns
    -------
    list of dict
        The rows in the order of the samples.
    """
    from srseg.progress import task

    rows: dict[str, Row] = {}
    with task("samples", len(chosen)) as progress:
        # side by side with another process, each takes what the other has not begun, and what it
        # was at is done in the second round, unless the other was stopped
        for wait in (False, True):
            for name in chosen.names:
                if name in rows:
                    continue
                row = attempt(job, chosen, name, wait=wait, dry_run=dry_run, debug=debug)
                if row is not None:
                    rows[name] = row
                    tell(row)
                    progress.advance(1, f"{name} {row['status']}")
    return [rows[name] for name in chosen.names]


def attempt(
    job: "SampleJob",
    dataset: "Dataset",
    name: str,
    *,
    wait: bool,
    debug: bool,
    dry_run: bool = False,
) -> Row | None:
    """Label one sample; None where another process is at it and is not to be waited for."""
    from srseg.errors import InUseError

    try:
        return job.predict(dataset, dataset[name], wait=wait, dry_run=dry_run)
    except InUseError as error:
        return failed(name, error) if wait else None
    except Exception as error:
        # also what nobody foresaw: the other samples have waited all night
        if debug:
            raise
        return failed(name, error)


def failed(name: str, error: BaseException) -> Row:
    """Give the row of a sample that could not be labelled."""
    return {"scan": name, "status": "failed", "reason": words_of(error)}
