"""What of the machine this process may use, and using it: cores, memory, a place for scratch files.

A batch system gives a job a part of a machine, and a container is one: what the hardware has says
little. The affinity of the process, its control group (version 1 and 2) and SLURM's variables are
asked, and the least counts.

Examples
--------
>>> from srseg.machine import usable_cores
>>> usable_cores() >= 1
True
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import shutil
import tempfile
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from srseg.errors import MissingFileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

__all__ = [
    "ahead",
    "peak_memory",
    "resident_memory",
    "return_freed_memory",
    "scratch_folder",
    "usable_cores",
    "usable_memory",
]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_ROOT = Path("/")  # tests look at other trees
_AHEAD = 4  # threads: each holds its share of a volume, and disks feed no more
_IN_MEMORY = ("tmpfs", "ramfs")
_LOOK_EVERY = 0.002  # seconds
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGE = 1 << 20


def usable_cores() -> int:
    """Tell how many cores this process may keep busy.

    Returns
    -------
    int
        The least of the cores it may run on, the quota of its control group (rounded up) and
        ``SLURM_CPUS_PER_TASK``; at least 1.
    """
    try:
        limits = [len(os.sched_getaffinity(0))]
    except (AttributeError, OSError):  # not Linux
        limits = [os.cpu_count() or 1]
    for version, folder in _control_groups("cpu"):
        if version == 2:
            quota, period = [*_words(folder / "cpu.max"), "", ""][:2]
        else:
            quota = _text(folder / "cpu.cfs_quota_us")
            period = _text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            limits.append(math.ceil(int(quota) / int(period)))
    limits += _slurm("SLURM_CPUS_PER_TASK")
    return max(1, min(limits))


def usable_memory() -> int | None:
    """Tell how much more memory this process can have before it swaps or is ended.

    Returns
    -------
    int or None
        Bytes: the least of what the system has left, what the limits of its control groups leave
        (files that the system could drop from its cache do not count as used), and SLURM's limit
        less what the process has; None where nothing says it.
    """
    found = [_left_in_the_system(), *map(_left_in_group, _control_groups("memory"))]
    limits = [n << 20 for n in _slurm("SLURM_MEM_PER_NODE")]
    cores = _slurm("SLURM_CPUS_ON_NODE") or [usable_cores()]
    limits += [(n << 20) * cores[0] for n in _slurm("SLURM_MEM_PER_CPU")]
    found += [limit - _resident() for limit in limits]
    known = [n for n in found if n is not None]
    return max(0, min(known)) if known else None


def resident_memory() -> int:
    """Tell how much memory this process has.

    Returns
    -------
    int
        Bytes that lie in memory; 0 where the system does not say it.
    """
    return _resident()


def return_freed_memory() -> None:
    """Let the C library give large blocks back to the system as soon as they are freed.

    It keeps them for the next time otherwise, which is a little faster and takes tens of megabytes
    more. For the whole process, for good; where the library is not glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
    mallopt(_M_TRIM_THRESHOLD, _LARGE)


class Peak:
    """The most memory that this process had during a block.

    Attributes
    ----------
    n_bytes : int
        Resident bytes; 0 where the system does not say it.
    """

    def __init__(self) -> None:
        self.n_bytes = _resident()


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch how much memory this process has while a block runs.

    Yields
    ------
    Peak
        Right when the block has ended. It is looked at every two milliseconds: what comes and goes
        between two looks is not seen.

    Examples
    --------
    >>> with peak_memory() as peak:
    ...     block = bytearray(1 << 20)
    >>> peak.n_bytes >= 0
    True
    """
    peak = Peak()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            peak.n_bytes = max(peak.n_bytes, _resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
        peak.n_bytes = max(peak.n_bytes, _resident())


def ahead(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int | None = None,
    *,
    depth: int | None = None,
) -> Iterator[_Result]:
    """Call a function for each item in threads, some items ahead of where the results are used.

    Parameters
    ----------
    function : callable
        What is called; it spends its time where other threads can run: in numpy, reading, writing.
    items : iterable
        What it is called with.
    threads : int, optional
        How many threads; one for each usable core, but at most 4, where it is None.
    depth : int, optional
        How many results are held, beside the one that is used; as many as threads where it is None.

    Yields
    ------
    object
        The results, in the order of the items.

    Examples
    --------
    >>> list(ahead(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    threads = threads or min(usable_cores(), _AHEAD)
    depth = depth or threads
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def scratch_folder(
    n_bytes: int, chosen: Path | str | None = None, *, otherwise: Path | str | None = None
) -> Path:
    """Choose where a large temporary file goes.

    Parameters
    ----------
    n_bytes : int
        How large it will be.
    chosen : path, optional
        A folder that a user named; it is taken, or refused.
    otherwise : path, optional
        Where to go when none of the usual places will do, for example beside the result.

    Returns
    -------
    Path
        `chosen`; else the first with enough space of ``$TMPDIR``, ``$SLURM_TMPDIR``, the system's
        folder for temporary files, and `otherwise`. A folder that lies in memory (tmpfs) is taken
        only if it was chosen.

    Raises
    ------
    MissingFileError
        If `chosen` is no folder.
    StorageError
        If there is too little space everywhere.
    """
    if chosen is not None:
        folder = Path(chosen)
        if not folder.is_dir():
            raise MissingFileError(f"the scratch folder {folder} does not exist; make it first")
        trouble = _trouble(folder, n_bytes)
        if trouble:
            raise _no_space(n_bytes, [f"{folder} {trouble}"])
        return folder
    places = [os.environ.get("TMPDIR"), os.environ.get("SLURM_TMPDIR"), tempfile.gettempdir()]
    tried = []
    for place in dict.fromkeys(Path(p) for p in places if p):
        trouble = _trouble(place, n_bytes)
        if not trouble and _lies_in_memory(place):
            trouble = "lies in memory"
        if not trouble:
            return place
        tried.append(f"{place} {trouble}")
    if otherwise is not None:
        trouble = _trouble(Path(otherwise), n_bytes)
        if not trouble:
            return Path(otherwise)
        tried.append(f"{otherwise} {trouble}")
    raise _no_space(n_bytes, tried)


def _no_space(n_bytes: int, tried: list[str]) -> StorageError:
    return StorageError(
        errno.ENOSPC,
        f"{_size(n_bytes)} of scratch space are needed for a while, but {', '.join(tried)}; name "
        "another folder with --scratch, or in $TMPDIR",
    )


def _trouble(folder: Path, n_bytes: int) -> str:
    """Say why a folder cannot take so many bytes, empty where it can."""
    if not folder.is_dir():
        return "does not exist"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written to"
    free = shutil.disk_usage(folder).free
    return f"has {_size(free)} free" if free < n_bytes else ""


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.3g} MB"


def _lies_in_memory(folder: Path) -> bool:
    """Whether a folder is on a file system that keeps its files in memory."""
    kinds = {}
    for line in _text(_ROOT / "proc/self/mounts").splitlines():
        fields = line.split(" ")
        if len(fields) > 2:
            kinds[fields[1].replace("\\040", " ")] = fields[2]  # the last one hides those below
    absolute = folder.resolve()
    for place in (absolute, *absolute.parents):
        if str(place) in kinds:
            return kinds[str(place)] in _IN_MEMORY
    return False


def _left_in_the_system() -> int | None:
    # what the kernel keeps of files counts as free here, and does not in sysconf
    for line in _text(_ROOT / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _left_in_group(group: tuple[int, Path]) -> int | None:
    version, folder = group
    names = (
        ("memory.max", "memory.current", "inactive_file")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    )
    limit, used = (_text(folder / name) for name in names[:2])
    if not (limit.isdecimal() and used.isdecimal()):
        return None  # "max", or no such file
    words = _words(folder / "memory.stat")
    cache = words[words.index(names[2]) + 1] if names[2] in words else "0"
    return int(limit) - int(used) + int(cache)


def _control_groups(what: str) -> Iterator[tuple[int, Path]]:
    """Give the folders of the groups whose limits hold, innermost first, with their version."""
    base = _ROOT / "sys/fs/cgroup"
    for line in _text(_ROOT / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        tops: tuple[Path, ...] = ()
        if number == "0" and not controllers:
            version, tops = 2, (base, base / "unified")
        elif what in controllers.split(","):
            version, tops = 1, (base / what, base / controllers)
        for top in tops:
            inner = top / path.lstrip("/")
            # in a container the path may be the host's: what is not there is passed over, and the
            # groups around it are asked
            while True:
                if inner.is_dir():
                    yield version, inner
                if inner == top or top not in inner.parents:
                    break
                inner = inner.parent


def _slurm(name: str) -> list[int]:
    """Read a number of SLURM's: none where it is not set; 0 is all there is."""
    text = os.environ.get(name, "")
    return [int(text)] if text.isdecimal() and int(text) else []


def _resident() -> int:
    words = _words(_ROOT / "proc/self/statm")
    try:
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE")
    except (IndexError, AttributeError, ValueError, OSError):
        return 0


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
