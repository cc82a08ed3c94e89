"""What of the machine, the installation and a dataset is well, could be better, or is broken.

Each thing that was looked at is a `Finding` with a remedy of one line. Nothing that is missing,
broken or slow makes `examine` fail or wait: what could crash is tried in a process of its own, and
what could hang has a time limit.
"""

from srseg.doctor._examine import examine
from srseg.doctor._finding import STATES, Finding

__all__ = ["STATES", "Finding", "examine"]
