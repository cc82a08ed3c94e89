"""What a reader touches: opened files, processes, sockets; time and memory."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_FORBIDDEN = {
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect",
    "socket.bind", "pickle.find_class", "ctypes.dlopen", "webbrowser.open", "os.startfile",
}  # fmt: skip
_IN_CLOEXEC, _IN_NONBLOCK = 0o2000000, 0o4000
# read, changed, attributes, written, opened, made, removed, moved
_EVENTS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200
_ISDIR = 0x40000000


class Watch:
    """Notes what is opened while it is on, by Python and by native code.

    Python's own calls are told by an audit hook. What HDF5 or ITK open is not: the folder that must
    not be touched is watched by the kernel (inotify), where there is that.
    """

    def __init__(self) -> None:
        self._on = False
        self._inside = ""
        self._notes: list[str] = []
        roots = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *sys.path}
        known = {os.path.realpath(root) for root in roots if root}
        known |= {"/proc", "/sys", "/usr/share", "/usr/lib", "/etc"}
        known.add(str(Path(__file__).resolve().parents[2]))
        self._known = tuple(f"{root}/" for root in known)
        sys.addaudithook(self._heard)

    def start(self, inside: Path, forbidden: Path, *, writes: bool) -> None:
        """Begin: `inside` may be read, `forbidden` not even opened."""
        self._inside, self._writes = os.path.realpath(inside), writes
        self._notes = []
        self._kernel = _Inotify(forbidden) if sys.platform == "linux" else None
        _forget_peak()
        self._before = _resident("VmRSS")
        self._begun = time.process_time()
        self._on = True

    def stop(self) -> dict[str, Any]:
        """End, and tell: ms, MiB, and what should not have been."""
        self._on = False
        spent = time.process_time() - self._begun
        peak = _resident("VmHWM") - self._before
        notes = self._notes + (self._kernel.close() if self._kernel else [])
        return {
            "ms": round(1000 * spent, 1),
            "mib": round(max(0, peak) / 1024, 1),
            "touched": sorted(set(notes)),
        }

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _FORBIDDEN:
            self._notes.append(f"{event} {args[:1]!r}"[:200])
        if event == "open" and not isinstance(args[0], int):
            name, _, flags = args
            writing = bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else False
            path = os.path.realpath(os.fsdecode(name))
            within = path == self._inside or path.startswith(self._inside + "/")
            known = path.startswith(self._known) or path in ("/dev/null", "/dev/urandom")
            if not (within or (known and not writing)) or (writing and not self._writes):
                self._notes.append(f"{'wrote' if writing else 'opened'} {path}")


class _Inotify:
    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.inotify_init1(_IN_CLOEXEC | _IN_NONBLOCK)
        if self._file < 0 or libc.inotify_add_watch(self._file, bytes(folder), _EVENTS) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def close(self) -> list[str]:
        content = b""
        with suppress(BlockingIOError):
            content = os.read(self._file, 1 << 16)
        os.close(self._file)
        found = []
        while content:
            _, mask, _, length = struct.unpack_from("iIII", content)
            name = content[16 : 16 + length].rstrip(b"\0").decode()
            if not mask & _ISDIR:
                found.append(f"touched outside/{name}")
            content = content[16 + length :]
        return found


def _resident(key: str) -> int:
    """Give the resident memory, or its peak, in KiB."""
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1])
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")
