"""Where the fits of a search run: processes here, a Dask cluster, jobs of SLURM."""

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._options import is_number
from srseg.cli._output import counted, note, warn_in_lines

if TYPE_CHECKING:
    from srseg.estimators import VolumeSegmenter

_LOST_WORKERS = 30  # with time limits a long fit outlives many jobs
_PATIENCE = 600  # s that a cluster whose workers are gone may take to bring new ones


@dataclass(frozen=True)
class Place:
    """Where fits run.

    Parameters
    ----------
    jobs : int
        How many at a time; of an existing cluster, what it has when it is opened.
    scheduler : str, optional
        Address of a Dask cluster.
    slurm : dict, optional
        Options of sbatch.
    logs : Path, optional
        Where SLURM puts what its jobs say.
    """

    jobs: int
    scheduler: str | None = None
    slurm: dict[str, str] | None = None
    logs: Path | None = None

    @property
    def words(self) -> str:
        """Where it is, for the user."""
        if self.scheduler:
            return f"on the cluster at {self.scheduler}"
        return "in SLURM jobs" if self.slurm is not None else "on this machine"

    @contextmanager
    def opened(self, dataset: Path, folder: Path) -> Iterator[Any]:
        """Connect to the cluster, or start the jobs.

        Parameters
        ----------
        dataset : Path
            What its workers must see.
        folder : Path
            Where results are kept; they must see it too.

        Yields
        ------
        Client or None
            Of the cluster; None where fits run on this machine.
        """
        if self.slurm is not None:
            with _slurm_client(self.jobs, self.slurm, self.logs) as client, _ending_quietly():
                yield client
            return
        if self.scheduler is None:
            yield None
            return
        from srseg.cli._predict_cluster import check_workers, connected

        with connected(self.scheduler) as client, _ending_quietly():
            check_workers(client, self.scheduler, dataset, [folder])
            yield client


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Let Dask say nothing of exchanges that were broken off because the command is stopped."""
    from srseg.progress import Stopped

    # asyncio tells of such exchanges before the exception that broke them off comes here
    _silence("asyncio", "tornado")
    try:
        yield
    except (KeyboardInterrupt, Stopped):
        _silence("distributed")
        note("srseg: workers finish the fits that they are at")
        raise


def _silence(*names: str) -> None:
    """Silence loggers and those below them, some of which Dask gives levels of their own."""
    for name in names:
        below = [other for other in logging.root.manager.loggerDict if other.startswith(f"{name}.")]
        for one in (name, *below):
            logging.getLogger(one).setLevel(logging.CRITICAL + 1)


def place_of(jobs: int, scheduler: str | None, slurm: list[str], out: Path) -> Place:
    """Read the options that say where fits run.

    Parameters
    ----------
    jobs : int
        At a time.
    scheduler : str or None
        Address of a Dask cluster.
    slurm : list of str
        ``NAME=VALUE``, options of sbatch.
    out : Path
        The folder of the search.

    Returns
    -------
    Place
        What they say.
    """
    if not slurm:
        return Place(jobs, scheduler)
    options = {}
    for text in slurm:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.lstrip("-")
        if not (name.replace("-", "").isalnum() and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not NAME=VALUE, such as partition=gpu", param_hint="--slurm"
            )
        options[name] = value
    if not is_number(options.get("cpus-per-task", "1")):
        raise typer.BadParameter("cpus-per-task is a number", param_hint="--slurm")
    for name, example in (("mem", "64G"), ("time", "24:00:00")):
        if name not in options:
            raise typer.BadParameter(
                f"say {name}, for example --slurm {name}={example}", param_hint="--slurm"
            )
    _dask_size(options["mem"])  # refuses another size
    return Place(jobs, None, options, out.absolute() / "slurm")


def parallel(client: Any, jobs: int) -> AbstractContextManager[Any]:
    """Let joblib use a cluster, or processes here whose warnings read as those of this one.

    Parameters
    ----------
    client : Client or None
        Of the cluster; None for processes on this machine.
    jobs : int
        How many fits run at a time.

    Returns
    -------
    context manager
        Inside, scikit-learn's searches run there.
    """
    if client is None and jobs == 1:
        return nullcontext()
    from joblib import parallel_config

    context: AbstractContextManager[Any]
    if client is None:
        context = parallel_config(backend="loky", initializer=warn_in_lines)
    else:
        # jobs of a batch system may wait for long
        context = parallel_config(backend="dask", client=client, wait_for_workers_timeout=_PATIENCE)
    return context


def speed_and_memory(
    client: Any, jobs: int, segmenter: "VolumeSegmenter", n_classes: int
) -> tuple[float, int | None]:
    """Find how fast a process trains, and how much memory a fit may have, where fits run.

    Parameters
    ----------
    client : Client or None
        Of the cluster; None for this machine.
    jobs : int
        How many fits share this machine; of a cluster, the threads of a worker count.
    segmenter : VolumeSegmenter
        What is trained for three steps.
    n_classes : int
        Number of classes.

    Returns
    -------
    speed : float
        Operations a second of one fit.
    memory : int or None
        Bytes.
    """
    if client is None:
        speed, memory = _measure(segmenter, n_classes, jobs)
        return speed, None if memory is None else memory // jobs
    there: tuple[float, int | None] = client.submit(
        _measure_there, segmenter, n_classes, pure=False
    ).result()
    return there


def _measure(segmenter: "VolumeSegmenter", n_classes: int, jobs: int) -> tuple[float, int | None]:
    from srseg.evaluation import training_memory, training_speed

    return training_speed(segmenter, n_classes, jobs), training_memory(segmenter.device)


def _measure_there(segmenter: "VolumeSegmenter", n_classes: int) -> tuple[float, int | None]:
    from distributed import get_worker

    # a worker keeps the number of threads that it was started with, for each fit
    speed, memory = _measure(segmenter, n_classes, 1)
    worker: Any = get_worker()
    known = [n for n in (memory, worker.memory_manager.memory_limit) if n]
    return speed, min(known) // worker.state.nthreads if known else None


@contextmanager
def _slurm_client(jobs: int, options: dict[str, str], logs: Path | None) -> Iterator[Any]:
    from srseg.errors import MissingPackageError

    try:
        import dask
        from distributed import Client
    except ImportError:
        raise MissingPackageError(
            "--slurm needs the packages distributed and dask-jobqueue; install them with: "
            "pip install 'srseg[distributed]'"
        ) from None
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": _LOST_WORKERS}),
        slurm_cluster(options, logs) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        # a job whose time is up is followed by another
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
        note(f"srseg: asked SLURM for {counted(jobs, 'job')}; waiting for one (squeue shows them)")
        client.wait_for_workers(1)
        yield client


def slurm_cluster(options: dict[str, str], logs: Path | None) -> Any:
    """Make a cluster of Dask whose workers are jobs of SLURM; none is asked for yet.

    Parameters
    ----------
    options : dict
        Options of sbatch, among them ``mem`` and ``time``.
    logs : Path or None
        Where jobs put what they say.

    Returns
    -------
    dask_jobqueue.SLURMCluster
        One fit at a time in each job.
    """
    from srseg.errors import MissingPackageError

    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise MissingPackageError(
            "--slurm needs the package dask-jobqueue; install it with: "
            "pip install 'srseg[distributed]'"
        ) from None
    further = dict(options)
    cores = further.pop("cpus-per-task", "1")
    return SLURMCluster(
        queue=further.pop("partition", None),
        account=further.pop("account", None),
        walltime=further.pop("time"),
        memory=_dask_size(further.pop("mem")),
        cores=1,  # one fit at a time
        processes=1,
        job_cpu=int(cores),
        job_extra_directives=[f"--{name}={value}" for name, value in further.items()],
        # Dask would give its workers one thread
        job_script_prologue=[f"export OMP_NUM_THREADS={cores}"],
        python=sys.executable,
        log_directory=None if logs is None else str(logs),
    )


def _dask_size(text: str) -> str:
    """Turn a size of sbatch (64G, binary, MiB without a unit) into one of Dask."""
    units = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB"}
    number, unit = (text[:-1], text[-1].upper()) if text[-1].isalpha() else (text, "M")
    if not is_number(number) or unit not in units:
        raise typer.BadParameter(f"mem={text!r} is not a size such as 64G", param_hint="--slurm")
    return f"{number}{units[unit]}"
