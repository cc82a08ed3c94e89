"""Running a part of a benchmark in a process of its own, and watching the memory it takes.

Needs nothing but the standard library: scripts that run in another program's environment use it
too. A part gets its job as JSON on stdin, and its answer is the last line that it prints.
"""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STATUS = Path("/proc/self/status")


def run_part(python: Path | str, script: str, job: dict[str, Any]) -> dict[str, Any]:
    """Run a script of this folder with a job, and give its answer."""
    words = [str(python), str(HERE / script)]
    # no imports from where the benchmark happens to be started
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        words, input=json.dumps(job), capture_output=True, text=True, env=environment
    )
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise SystemExit(f"{script} ended with {done.returncode}:\n{tail}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def read_job() -> dict[str, Any]:
    """Read the job that this process was given."""
    job: dict[str, Any] = json.load(sys.stdin)
    return job


def give(answer: dict[str, Any]) -> None:
    """Print the answer, below whatever else was printed."""
    print("\n" + json.dumps(answer), flush=True)


def let_torchvision_import() -> list[Any]:
    """Import torchvision also where its compiled operators do not fit torch (a CPU build).

    What is given must be kept: a torch library forgets its operators when it is collected.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library: Any = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return [library]
    return []


def resident() -> int:
    """Tell how many bytes of memory this process has, or had where the system does not say."""
    return _status("VmRSS") or largest()


class Watch:
    """Seconds and peak memory of a block; the system itself keeps the peak.

    Attributes
    ----------
    seconds : float
        How long the block took.
    before, peak : int
        Resident bytes at its beginning, and the most there were before its end.
    """

    def __enter__(self) -> "Watch":
        try:
            # from now on: what was needed to get here does not count
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            print("the peak includes what came before: it cannot be reset here", file=sys.stderr)
        self.before = resident()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self.peak = largest()

    @property
    def above(self) -> int:
        """Bytes at the peak above those at the beginning."""
        return self.peak - self.before


def largest() -> int:
    """Tell the most bytes of memory that this process has had since the last watch began."""
    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Sampler:
    """Looks at the resident memory of another process again and again.

    Parameters
    ----------
    process : int
        Its number; the processes that it starts count with it.
    seconds : float, default=0.5
        How long between two looks.
    told : callable, optional
        Called with the seconds since the beginning and the bytes at each look.
    """

    def __init__(
        self, process: int, seconds: float = 0.5, told: Callable[[float, int], None] | None = None
    ) -> None:
        self.peak = 0
        self._process, self._pause, self._told = process, seconds, told
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        began = time.perf_counter()
        while not self._ended.wait(self._pause):
            n_bytes = sum(_resident_of(p) for p in family(self._process))
            self.peak = max(self.peak, n_bytes)
            if self._told is not None:
                self._told(time.perf_counter() - began, n_bytes)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def family(process: int) -> list[int]:
    """Give the numbers of a process and of all that it started."""
    numbers = [process]
    for number in numbers:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            try:
                numbers += [int(word) for word in children.read_text().split()]
            except OSError:  # it ended meanwhile
                continue
    return numbers


def _resident_of(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _status(key: str) -> int:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0
