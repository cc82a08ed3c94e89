"""What a batch system or a container grants: control groups (versions 1, 2), SLURM's variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from srseg.machine import _files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def control_groups(what: str) -> Iterator[tuple[int, Path]]:
    """Give the folders of the control groups whose limits hold, innermost first.

    Parameters
    ----------
    what : {"cpu", "memory"}
        What they limit.

    Yields
    ------
    version : {1, 2}
        Which kind of group it is.
    folder : Path
        Holds its files.
    """
    base = _files.ROOT / "sys/fs/cgroup"
    for line in _files.text(_files.ROOT / "proc/self/cgroup").splitlines():
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


def slurm_numbers(name: str) -> list[int]:
    """Read a number of SLURM's.

    Parameters
    ----------
    name : str
        The variable.

    Returns
    -------
    list of int
        One; none where it is not set, or 0, which is SLURM's word for all there is.
    """
    text = os.environ.get(name, "")
    return [int(text)] if text.isdecimal() and int(text) else []
