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

from srseg.machine._ahead import ahead
from srseg.machine._cores import core_limits, usable_cores
from srseg.machine._memory import (
    memory_limits,
    peak_memory,
    resident_memory,
    return_freed_memory,
    usable_memory,
)
from srseg.machine._scratch import scratch_folder

__all__ = [
    "ahead",
    "core_limits",
    "memory_limits",
    "peak_memory",
    "resident_memory",
    "return_freed_memory",
    "scratch_folder",
    "usable_cores",
    "usable_memory",
]
