"""The loop of the fuzzer, in one process: inputs for one reader, or for several in turn.

A fault of Python is noted and the loop goes on; one of compiled code ends the process.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import sys
import time
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import atheris

_TRACED = [
    "srseg", "srseg_classical", "srseg_cracks", "srseg_fcn3d", "srseg_nnunet", "tifffile",
    "tomllib", "trimesh.exchange.stl", "zarr.core.metadata", "zarr.core.group",
]  # fmt: skip

with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=_TRACED):
    import readers
    from changes import changer
    from judge import Watch, judged, peak_mib
    from seeds import seeds

    import srseg.corrections
    import srseg.dataset
    import srseg.estimators
    import srseg.io
    import srseg.quantification
    import srseg.reports  # noqa: F401

_ROOM = 3 << 30  # bytes of addresses beyond what the libraries take


class Loop:
    """Judges input after input.

    Parameters
    ----------
    names : list of str
        The readers.
    out : Path
        Where findings and the state go.
    """

    def __init__(self, names, out):
        self.names = names
        self.out = out
        memory = Path("/dev/shm")
        self.work = (memory if memory.is_dir() else out) / f"fuzz-{os.getpid()}"
        self._watch = Watch()
        self._count = self._refused = self._peak = 0
        self.begin()

    def begin(self):
        """Count time from now on."""
        self._began = self._noted = time.monotonic()
        self._cpu = time.process_time()
        self.note()

    def __call__(self, data):
        """Judge an input; of several readers the first byte says which."""
        name = self.names[0]
        if len(self.names) > 1:
            name, data = self.names[data[0] % len(self.names)] if data else name, data[1:]
        case = judged(readers.TARGETS[name], data, self.work, self._watch)
        self._count += 1
        self._refused += case.refused
        self._peak = max(self._peak, peak_mib())
        for finding in case.findings:
            self._keep(name, finding, data)
        if time.monotonic() - self._noted > 0.5:
            self.note()

    def _keep(self, name, finding, data):
        folder = self.out / "findings" / f"{name}-{finding.name}"
        if folder.is_dir() and len(data) >= (folder / "input").stat().st_size:
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "input").write_bytes(data)
        (folder / "report.txt").write_text(f"{finding.place}\n\n{finding.report}\n", "utf-8",
                                           "replace")  # fmt: skip

    def note(self):
        """Write how far it came."""
        self._noted = time.monotonic()
        state = {
            "inputs": self._count, "refused": self._refused, "peak_mib": self._peak,
            "seconds": self._noted - self._began, "cpu": time.process_time() - self._cpu,
        }  # fmt: skip
        (self.out / "state.json").write_text(json.dumps(state))


def fuzz(names, out, options):
    """Fuzz readers in this process until libFuzzer has had enough, which ends the process.

    Parameters
    ----------
    names : list of str
        The readers; of several, the first byte of an input says which.
    out : Path
        Where findings and the state go.
    options : list of str
        For libFuzzer.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    loop = Loop(names, out)
    for name in names:  # what is imported on first use is no fault of an input
        for data in seeds(name):
            judged(readers.TARGETS[name], data, loop.work)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))
    own = {}
    if len(names) == 1:
        own["custom_mutator"] = changer(readers.TARGETS[names[0]], _mutate)
    atheris.Setup(["fuzz", *options], loop, **own)
    loop.begin()
    atheris.Fuzz()


def _mutate(data, most):
    # atheris.Mutate of 3.0 says that it is too early, for as long as the loop runs
    core = next(m for n, m in sys.modules.items() if n.startswith("atheris.core_with"))
    return core.Mutate(data, most)
