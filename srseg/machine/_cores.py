"""Cores."""

from __future__ import annotations

import math
import os
from contextlib import suppress

from srseg.machine import _files
from srseg.machine._groups import control_groups, slurm_numbers


def core_limits() -> dict[str, int]:
    """Tell how many cores this process may keep busy, and what says so.

    Returns
    -------
    dict of str to int
        Cores by what grants them: ``machine``, the processors that the system has; ``affinity``,
        those that this process may run on; ``control group``, the quota of its container or job
        (rounded up); ``SLURM_CPUS_PER_TASK``. What says nothing is left out.
    """
    limits = {"machine": os.cpu_count() or 1}
    with suppress(AttributeError, OSError):  # not Linux
        limits["affinity"] = len(os.sched_getaffinity(0))
    quotas = []
    for version, folder in control_groups("cpu"):
        if version == 2:
            quota, period = [*_files.words(folder / "cpu.max"), "", ""][:2]
        else:
            quota = _files.text(folder / "cpu.cfs_quota_us")
            period = _files.text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            quotas.append(math.ceil(int(quota) / int(period)))
    if quotas:
        limits["control group"] = min(quotas)
    granted = slurm_numbers("SLURM_CPUS_PER_TASK")
    if granted:
        limits["SLURM_CPUS_PER_TASK"] = granted[0]
    return limits


def usable_cores() -> int:
    """Tell how many cores this process may keep busy.

    Returns
    -------
    int
        The least of `core_limits`: the cores it may run on, the quota of its control group (rounded
        up) and ``SLURM_CPUS_PER_TASK``; at least 1.
    """
    limits = core_limits()
    # an affinity may name processors that have come since the system counted them
    if "affinity" in limits:
        del limits["machine"]
    return max(1, min(limits.values()))
