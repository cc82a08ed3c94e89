"""Labelling samples on the workers of an existing Dask cluster, one sample for each task."""

import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import note
from srseg.cli._predict_samples import Row, failed
from srseg.cli._predict_worker import STOPPED, predict_there, unseen, unseen_words

if TYPE_CHECKING:
    from srseg.cli._prediction_settings import PredictionSettings
    from srseg.dataset import Dataset

_PATIENCE = 10  # seconds until a scheduler must have answered
_LOOK_EVERY = 0.5  # seconds between two looks at what is done, and at who asks to stop
_LAST_STEP = 20  # seconds that workers get to say that they have stopped


def predict_on_cluster(
    address: str,
    settings: "PredictionSettings",
    chosen: "Dataset",
    tell: Callable[[Row], None],
    *,
    debug: bool,
) -> list[Row]:
    """Label samples on the workers of a Dask cluster, each worker one at a time.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://node01:8786``.
    settings : PredictionSettings
        What is predicted; workers must see the same paths.
    chosen : Dataset
        The samples.
    tell : callable
        Gets the row of each sample as soon as it is done.
    debug : bool
        Whether an error ends it all, with its traceback.

    Returns
    -------
    list of dict
        The rows in the order of the samples.
    """
    from srseg.progress import task

    settings = settings.everywhere()
    rows: dict[str, Row] = {}
    with (
        connected(address) as client,
        _interrupted_between_looks() as look,
        task("samples", len(chosen)) as progress,
    ):
        check_workers(client, address, chosen.path, settings.paths())
        with _Flight(client, settings, chosen.path, debug=debug) as flight:
            waiting = list(chosen.names)
            while waiting or flight.names:
                flight.take(waiting)
                for name, row in flight.landed():
                    rows[name] = row
                    for text in row.pop("warnings", ()):
                        warnings.warn(text, stacklevel=2)
                    tell(row)
                    progress.advance(1, f"{name} {row['status']}")
                look()
                progress.advance(0)  # where a signal stops it
    return [rows[name] for name in chosen.names]


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to the cluster whose scheduler has an address."""
    from srseg.errors import MissingPackageError, ParameterError

    try:
        from distributed import Client
    except ImportError:
        raise MissingPackageError(
            "--scheduler needs the package distributed; install it, on the workers too, with: "
            "pip install 'srseg[distributed]'"
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}); start one with: "
            "dask scheduler, and name the address that it says"
        ) from None
    with client:
        yield client


@contextmanager
def _interrupted_between_looks() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait for the next look: in the middle of an exchange, Dask would tell of it."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def look() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, before)


def check_workers(client: Any, address: str, dataset: Path, others: list[Path]) -> None:
    """Refuse workers that see other files, or have no srseg."""
    from srseg.errors import DatasetError, MissingFileError

    # a folder of that name may well be another one
    token = dataset / ".srseg" / f"seen-{uuid.uuid4().hex}"
    token.parent.mkdir(exist_ok=True)
    token.touch()
    try:
        answers = client.run(unseen, [token, dataset, *others], on_error="return")
    finally:
        token.unlink(missing_ok=True)
    if not answers:
        note(f"srseg: {address} has no workers yet; waiting for one")
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            raise DatasetError(
                f"the worker {worker} cannot do it ({type(answer).__name__}: {answer}); install "
                "the same version of srseg there: pip install 'srseg[distributed]'"
            )
        host, missing = answer
        if missing == [str(token)]:
            raise DatasetError(
                f"{dataset} on {host} is another folder than the one here; the dataset must lie on "
                "a file system that all machines of the cluster share"
            )
        if missing:
            raise MissingFileError(unseen_words(host, [m for m in missing if m != str(token)]))


class _Flight:
    """The samples that workers are at: as many as there are workers."""

    def __init__(
        self, client: Any, settings: "PredictionSettings", dataset: Path, *, debug: bool
    ) -> None:
        from distributed import Event

        self._client = client
        self._arguments = (settings, dataset, debug)
        self._debug = debug
        self._run = uuid.uuid4().hex
        self._stop = Event(f"srseg-stop-{self._run}", client)
        self._futures: dict[Any, str] = {}

    @property
    def names(self) -> list[str]:
        """The samples that are under way."""
        return list(self._futures.values())

    def take(self, waiting: list[str]) -> None:
        """Begin with as many samples as workers are idle; the first waits for a worker."""
        room = max(1, len(self._client.nthreads())) - len(self._futures)
        for _ in range(min(room, len(waiting))):
            name = waiting.pop(0)
            # not pure: what failed is done anew when it is asked for again
            future = self._client.submit(
                predict_there, *self._arguments, name, self._stop.name,
                pure=False, key=f"srseg-predict-{name}-{self._run}",
            )  # fmt: skip
            self._futures[future] = name

    def landed(self, timeout: float = _LOOK_EVERY) -> Iterator[tuple[str, Row]]:
        """Wait for a moment, and give what is done."""
        from distributed import wait

        with suppress(TimeoutError, CancelledError):
            wait(list(self._futures), timeout=timeout, return_when="FIRST_COMPLETED")
        for future in [future for future in self._futures if future.done()]:
            name = self._futures.pop(future)
            yield name, self._row(future, name)

    def _row(self, future: Any, name: str) -> Row:
        try:
            row: Row = future.result()
        except Exception as error:
            if self._debug:
                raise
            row = failed(name, error)
            if type(error).__module__.startswith("distributed"):
                # one that does not come from the work, but from losing who did it
                row["reason"] = f"its worker was lost: {error}"
        return row

    def __enter__(self) -> "_Flight":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._futures:
            return
        note("srseg: the workers finish the step at hand")
        with suppress(OSError, TimeoutError):
            self._stop.set()
            for _look in range(round(_LAST_STEP / _LOOK_EVERY)):
                for name, row in self.landed():
                    if row["status"] != STOPPED:
                        note(f"srseg: sample {name}: {row['status']}")
                if not self._futures:
                    return
            self._client.cancel(list(self._futures))
