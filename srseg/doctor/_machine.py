"""The machine: system, cores, memory."""

from __future__ import annotations

import os
import platform
import sys

from srseg._version import __version__
from srseg.doctor._finding import Finding, size
from srseg.machine import core_limits, memory_limits, usable_cores

_LITTLE = 4e9  # bytes, with which a scan of 1200 x 1200 x 1000 voxels is still predicted, slowly
_TOO_LITTLE = 1e9
_ASK = {
    "machine": "close other programs, or use a machine with more",
    "control group": "give the container or the job more memory",
    "SLURM_MEM_PER_NODE": "ask SLURM for more, for example --mem=16G",
    "SLURM_MEM_PER_CPU": "ask SLURM for more, for example --mem-per-cpu=8G",
}


def system() -> list[Finding]:
    """Tell versions and the kind of machine."""
    facts = {
        "srseg": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "prefix": sys.prefix,
    }
    text = (
        f"srseg {__version__}, Python {facts['python']} in {sys.prefix}, {facts['system']} "
        f"{facts['release']}, {facts['machine']}"
    )
    return [Finding("system", "ok", text, facts=facts)]


def cores() -> list[Finding]:
    """Tell how many cores may be used and what limits them."""
    limits, n = core_limits(), usable_cores()
    facts = {"usable": n, "limits": limits}
    of = limits["machine"]
    text = f"{n} of {of} may be used" if n != of else f"{n}"
    if n < of:
        text += f" ({', '.join(name for name in limits if limits[name] == n)})"
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > n:
        return [
            Finding(
                "cores", "better", f"{text}, but OMP_NUM_THREADS={threads}: more threads than "
                "cores wait for each other", f"export OMP_NUM_THREADS={n}",
                facts | {"OMP_NUM_THREADS": int(threads)},
            )
        ]  # fmt: skip
    return [Finding("cores", "ok", text, facts=facts)]


def memory() -> list[Finding]:
    """Tell how much memory may be used and what limits it."""
    limits = memory_limits()
    if not limits:
        return [Finding("memory", "ok", "this system does not say how much is free")]
    name = min(limits, key=lambda key: limits[key])
    free = limits[name]
    facts = {"usable_bytes": free, "limits": limits}
    who = "" if name == "machine" else f" (limited by {_said(name)})"
    text = f"{size(free)} may be used{who}"
    if free < _TOO_LITTLE:
        return [Finding("memory", "broken", f"{text}: too little to train", _ASK[name], facts)]
    if free < _LITTLE:
        text = f"{text}: large scans are predicted through the disk, which takes longer"
        return [Finding("memory", "better", text, _ASK[name], facts)]
    return [Finding("memory", "ok", text, facts=facts)]


def _said(name: str) -> str:
    return "a container or a job" if name == "control group" else name
