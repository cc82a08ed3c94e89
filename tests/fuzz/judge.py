"""What a reader may make of a file: an answer, or an SRSegError that names it; soon, and small."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from srseg.errors import SRSegError

SECONDS = 2.0
"""CPU time that an input of some kB may cost, traced by the fuzzer, on a busy machine."""

MIB = 192
"""How much the process may grow: a chunk, or what `srseg.io` decodes at once, and a margin."""

_MARK = b"\n%%FILE "
_LONGEST_NAME = 120
_MOST_PARTS = 64


@dataclass
class Finding:
    """One way in which a reader did what it may not."""

    kind: str
    place: str
    report: str

    @property
    def name(self) -> str:
        """A name for a folder, the same for the same fault."""
        return f"{self.kind}-{hashlib.sha256(self.place.encode()).hexdigest()[:10]}"


@dataclass
class Case:
    """Files to be read, and what came of it so far."""

    path: Path
    names: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    refused: bool = False

    @contextmanager
    def step(self):
        """Do one thing with the files; refusing is fine where the message says which."""
        try:
            yield
        except SRSegError as error:
            self.refused = True
            text = str(error)
            if not any(name in text for name in self.names):
                self.add("unnamed", error)
        except Exception as error:
            self.add(type(error).__name__, error)

    def add(self, kind, error):
        """Note what an exception tells, by the last line of srseg's that it came through."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "srseg" in f.filename and "tests" not in f.filename]
        at = ours[-1] if ours else frames[-1]
        place = f"{kind} {Path(at.filename).name}:{at.name}: {at.line}"
        self.findings.append(Finding(kind, place, "".join(traceback.format_exception(error)[-40:])))


def pack(files):
    """Put several files into one input of the fuzzer: a line with the name before each."""
    return b"".join(
        _MARK + name.encode() + b"\n" + content for name, content in sorted(files.items())
    )


def unpack(data):
    """Give the files of an input; names that would lead elsewhere are left out."""
    files = {}
    for part in data.split(_MARK)[1 : _MOST_PARTS + 1]:
        line, _, content = part.partition(b"\n")
        with suppress(UnicodeDecodeError):
            name = line.decode("ascii")
            words = name.split("/")
            fine = all(w and w.strip(".") and w.isprintable() and "\\" not in w for w in words)
            if fine and len(name) <= _LONGEST_NAME and len(words) < 9:
                files[name] = content
    return files


def lay(folder, name, data, *, several):
    """Write an input to a new folder, and give the case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / name
    if not several:
        path.write_bytes(data)
        return Case(path, (name,))
    path.mkdir()
    names = [name]
    for inside, content in unpack(data).items():
        place = path / inside
        with suppress(OSError):  # a file where another needs a folder
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            names.append(place.name)
    return Case(path, tuple(names))


class Watch:
    """Notes files that are opened outside of the folder of a case."""

    def __init__(self):
        self.inside = None
        self.found = []
        homes = {sys.prefix, sys.base_prefix, "/usr", "/proc", "/sys", "/dev", "/etc/mime.types"}
        homes |= {str(Path(module.__file__).parents[1]) for module in _packages()}
        self._homes = tuple(sorted(homes))
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if event != "open" or self.inside is None or not isinstance(arguments[0], str | bytes):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - quick
        if not path.startswith((self.inside, *self._homes)):
            self.found.append(path)


def _packages():
    import numpy

    import srseg

    return srseg, numpy


def judged(target, data, folder, watch=None):
    """Let a reader read an input, and give the case with all that it may not do."""
    case = lay(folder, target.name, data, several=target.several)
    _forget_peak()
    before, began = peak_mib(), time.process_time()
    if watch is not None:
        watch.inside, watch.found = str(folder), []
    try:
        target.read(case)
    finally:
        if watch is not None:
            watch.inside = None
    seconds = time.process_time() - began
    grown = peak_mib() - before
    if seconds > SECONDS:
        case.findings.append(Finding("slow", target.name, f"{seconds:.1f} s of CPU time"))
    if grown > MIB:
        case.findings.append(Finding("large", target.name, f"grew by {grown:.0f} MiB"))
    for path in watch.found if watch is not None else ():
        case.findings.append(Finding("outside", target.name, f"opened {path}"))
    return case


def _forget_peak():
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib():
    """Give the most memory that this process had since it was last asked to forget."""
    # getrusage would give that of the process that started this one
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
