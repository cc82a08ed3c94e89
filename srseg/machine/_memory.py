"""Memory."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from srseg.machine import _files
from srseg.machine._cores import usable_cores
from srseg.machine._groups import control_groups, slurm_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_EVERY = 0.002  # seconds
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGE = 1 << 20


def memory_limits() -> dict[str, int]:
    """Tell how much more memory this process can have, and what says so.

    Returns
    -------
    dict of str to int
        Bytes by what leaves them: ``machine``, what the system has left; ``control group``, what
        the limits of its container or job leave (files that the system could drop from its cache do
        not count as used); ``SLURM_MEM_PER_NODE`` and ``SLURM_MEM_PER_CPU``, less what the process
        has. What says nothing is left out.
    """
    found = {
        "machine": [_left_in_the_system()],
        "control group": [_left_in_group(group) for group in control_groups("memory")],
    }
    had = resident_memory()
    cores = slurm_numbers("SLURM_CPUS_ON_NODE") or [usable_cores()]
    for name, times in (("SLURM_MEM_PER_NODE", 1), ("SLURM_MEM_PER_CPU", cores[0])):
        found[name] = [(n << 20) * times - had for n in slurm_numbers(name)]
    known = {name: [n for n in left if n is not None] for name, left in found.items()}
    return {name: max(0, min(left)) for name, left in known.items() if left}


def usable_memory() -> int | None:
    """Tell how much more memory this process can have before it swaps or is ended.

    Returns
    -------
    int or None
        Bytes: the least of `memory_limits`; None where nothing says it.
    """
    return min(memory_limits().values(), default=None)


def resident_memory() -> int:
    """Tell how much memory this process has.

    Returns
    -------
    int
        Bytes that lie in memory; 0 where the system does not say it.
    """
    found = _files.words(_files.ROOT / "proc/self/statm")
    try:
        return int(found[1]) * os.sysconf("SC_PAGE_SIZE")
    except (IndexError, AttributeError, ValueError, OSError):
        return 0


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
        self.n_bytes = resident_memory()


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
            peak.n_bytes = max(peak.n_bytes, resident_memory())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
        peak.n_bytes = max(peak.n_bytes, resident_memory())


def _left_in_the_system() -> int | None:
    # what the kernel keeps of files counts as free here, and does not in sysconf
    for line in _files.text(_files.ROOT / "proc/meminfo").splitlines():
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
    limit, used = (_files.text(folder / name) for name in names[:2])
    if not (limit.isdecimal() and used.isdecimal()):
        return None  # "max", or no such file
    told = _files.words(folder / "memory.stat")
    cache = told[told.index(names[2]) + 1] if names[2] in told else "0"
    return int(limit) - int(used) + int(cache)
