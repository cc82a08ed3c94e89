"""Cores."""

from __future__ import annotations

import math
import os

from srseg.machine import _files
from srseg.machine._groups import control_groups, slurm_numbers


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
    for version, folder in control_groups("cpu"):
        if version == 2:
            quota, period = [*_files.words(folder / "cpu.max"), "", ""][:2]
        else:
            quota = _files.text(folder / "cpu.cfs_quota_us")
            period = _files.text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            limits.append(math.ceil(int(quota) / int(period)))
    limits += slurm_numbers("SLURM_CPUS_PER_TASK")
    return max(1, min(limits))
