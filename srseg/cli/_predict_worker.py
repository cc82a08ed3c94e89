"""Labelling one sample where a Dask cluster says: what a worker does."""

import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from srseg.cli._predict_sample import SampleJob
from srseg.cli._predict_samples import Row, attempt, failed
from srseg.cli._prediction_settings import PredictionSettings

STOPPED = "stopped"
"""Status of a sample that was not finished."""

_LOOK_EVERY = 1.0  # seconds between two looks at whether it is to stop
_SHARE = 0.65  # of a worker's memory: at 0.7 Dask begins to swap what it holds, at 0.8 it pauses

_one_at_a_time = threading.Lock()


def unseen(paths: list[Path]) -> tuple[str, list[str]]:
    """Tell the name of this machine, and which of some paths it does not see."""
    return socket.gethostname(), [str(path) for path in paths if not path.exists()]


def unseen_words(host: str, missing: list[str]) -> str:
    """Say that paths must be the same everywhere."""
    return (
        f"a worker on {host} does not see {', '.join(missing)}; model, dataset and folders must "
        "lie on a file system that all machines of the cluster have at the same path"
    )


def predict_there(
    settings: PredictionSettings, folder: Path, debug: bool, name: str, stop: str
) -> Row:
    """Label one sample, unless an event of that name says to stop; warnings travel in the row."""
    from distributed import get_worker

    from srseg.dataset import Dataset
    from srseg.errors import MissingFileError
    from srseg.progress import Stopped

    # a worker of many threads is handed many samples; together they would not fit into its memory
    with _one_at_a_time, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        row: Row | None
        try:
            host, missing = unseen([folder, *settings.paths()])
            if missing:
                raise MissingFileError(unseen_words(host, missing))
            worker: Any = get_worker()
            with _stoppable_by(stop, worker):
                job = SampleJob(_fitting(settings, worker))
                row = attempt(job, Dataset(folder), name, wait=True, debug=debug)
        except Stopped:
            row = {"scan": name, "status": STOPPED}
        except Exception as error:
            if debug:
                raise
            row = failed(name, error)
    assert row is not None  # noqa: S101 - it has waited
    return {**row, "warnings": [str(warning.message) for warning in said]}


def _fitting(settings: PredictionSettings, worker: Any) -> PredictionSettings:
    """Take the threads and the memory that the worker was given."""
    import torch

    # Dask starts its workers with OMP_NUM_THREADS=1, for work that is many tasks at a time
    torch.set_num_threads(worker.state.nthreads)
    limit = worker.memory_manager.memory_limit
    if settings.max_memory is not None or not limit:
        return settings
    return replace(settings, max_memory=int(_SHARE * limit))


@contextmanager
def _stoppable_by(event: str, worker: Any) -> Iterator[None]:
    """Stop the work between two steps when an event of the cluster is set."""
    from distributed.utils import sync

    from srseg.progress import Stopped, stoppable

    ended = threading.Event()

    def asked() -> bool:
        # by the worker's own connection: a client of its own would stay when the work is done
        return bool(sync(worker.loop, worker.scheduler.event_is_set, name=event))

    def watch() -> None:
        # a scheduler that is gone asks nobody to stop: what is begun is finished
        with suppress(OSError, RuntimeError):
            while not ended.wait(_LOOK_EVERY):
                if asked():
                    with suppress(Stopped):  # meant for the thread that a signal interrupts
                        stop()
                    return

    with stoppable() as stop:
        if asked():
            raise Stopped
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
