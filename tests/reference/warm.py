"""Real processes without a start of seconds: forked from one that has loaded what srseg needs.

Each has its own files, signals and end; only torch, scikit-learn and the like are loaded once. For
tests of what happens to a process; those of how one starts take ``subprocess``.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, CompletedProcess, TimeoutExpired
from threading import Thread
from types import ModuleType
from typing import IO, Any

_LOADED = (
    "numpy.testing", "scipy.ndimage", "h5py", "hdf5plugin", "SimpleITK", "tifffile", "torch",
    "srseg.cli", "srseg.dataset", "srseg.io", "srseg.estimators", "srseg.evaluation",
    "srseg.reports", "srseg.backbones", "srseg.phantoms", "matplotlib.backends.backend_agg",
)  # fmt: skip


class Popen:
    """What ``subprocess.Popen`` is for the commands of these tests.

    Parameters
    ----------
    args : list
        ``srseg ...``, or Python with ``-m srseg ...``, ``-c CODE ...`` or ``SCRIPT ...``.
    stdin, stdout, stderr : int, optional
        As there, files of a number among them; without, those of the tests.
    env, cwd, start_new_session, text : optional
        As there; the number of threads is that of the tests.
    """

    def __init__(
        self, args: list[Any], *, stdin: int | None = None, stdout: int | None = None,
        stderr: int | None = None, env: dict[str, str] | None = None,
        cwd: Path | str | None = None, start_new_session: bool = False, text: bool = False,
    ) -> None:  # fmt: skip
        self.args = [os.fspath(a) if isinstance(a, os.PathLike) else str(a) for a in args]
        self.returncode: int | None = None
        self.stdin: Any = None
        self.stdout: Any = None
        self.stderr: Any = None
        theirs: list[int] = []  # files
        ours: list[int] = []  # to be closed here when the process has them
        for number, (name, wanted) in enumerate(
            {"stdin": stdin, "stdout": stdout, "stderr": stderr}.items()
        ):
            if wanted == PIPE:
                ends = os.pipe()
                mine, its = ends if number else ends[::-1]
                setattr(self, name, open(mine, ("r" if number else "w") + "b" * (not text)))  # noqa: PTH123, SIM115 - of a pipe
                ours.append(its)
            elif wanted == subprocess.DEVNULL:
                its = os.open(os.devnull, os.O_RDWR)
                ours.append(its)
            elif wanted == subprocess.STDOUT:
                its = theirs[1]
            else:
                its = number if wanted is None else wanted
            theirs.append(its)
        self._told, telling = os.pipe()
        ours.append(telling)
        request = {
            "args": self.args, "env": dict(os.environ if env is None else env),
            "cwd": os.fspath(cwd or Path.cwd()), "session": start_new_session,
        }  # fmt: skip
        socket.send_fds(_server(), [json.dumps(request).encode()], [*theirs, telling])
        for fd in ours:
            os.close(fd)
        self.pid = int(self._line())

    def __enter__(self) -> Popen:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in filter(None, (self.stdin, self.stdout, self.stderr)):
            stream.close()
        self.wait()

    def poll(self) -> int | None:
        """Give the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Give the exit code when it has ended."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._line())
            os.close(self._told)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Read all that it says, and wait for its end."""
        end = None if timeout is None else time.monotonic() + timeout
        if self.stdin:
            self.stdin.close()
        said: dict[IO[Any], Any] = {}
        readers = []
        for stream in filter(None, (self.stdout, self.stderr)):
            reader = Thread(target=lambda s=stream: said.update({s: s.read()}), daemon=True)
            reader.start()
            readers.append(reader)
        for reader in readers:
            reader.join(None if end is None else max(0, end - time.monotonic()))
            if reader.is_alive():
                raise TimeoutExpired(self.args, timeout or 0)
        self.wait(None if end is None else max(0, end - time.monotonic()))
        for stream in said:
            stream.close()
        return said.get(self.stdout), said.get(self.stderr)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and is about to be told
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._told, 1)
            if not byte:
                raise ChildProcessError(f"{self.args}: the process that starts others has ended")
            line += byte
        return line


def run(
    args: list[Any], *, capture_output: bool = False, timeout: float | None = None,
    check: bool = False, **options: Any,
) -> CompletedProcess[Any]:  # fmt: skip
    """Do what ``subprocess.run`` does."""
    if capture_output:
        options |= {"stdout": PIPE, "stderr": PIPE}
    with Popen(args, **options) as process:
        try:
            output, errors = process.communicate(timeout)
        except BaseException:
            process.kill()
            raise
    done = CompletedProcess(process.args, process.wait(), output, errors)
    if check:
        done.check_returncode()
    return done


_servers: dict[int, socket.socket] = {}


def _server() -> socket.socket:
    """Give the way to the process that starts others; one for each that asks."""
    if os.getpid() not in _servers:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()

        def end() -> None:
            ours.close()
            process.wait()

        atexit.register(end)
        _servers[os.getpid()] = ours
    return _servers[os.getpid()]


def _serve(requests: socket.socket) -> dict[str, Any]:
    """Start a process for each request; only in those it returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1 << 20, 4)
        if not message:
            sys.exit()
        if not os.fork():
            # the keeper: it tells who was started, and how that ended
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            *streams, telling = files
            child = os.fork()
            if not child:
                for number, file in enumerate(streams):
                    os.dup2(file, number)
                for file in {*files, requests.detach()} - {0, 1, 2}:
                    os.close(file)
                return dict(json.loads(message))
            requests.close()
            for file in {0, 1, 2, *streams}:
                os.close(file)
            os.write(telling, f"{child}\n".encode())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            os.write(telling, f"{code}\n".encode())
            os._exit(0)
        for file in files:
            os.close(file)


def _become(request: dict[str, Any]) -> None:
    """Be as a process that was just started."""
    import numpy as np

    if request["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    np.random.seed()  # noqa: NPY002 - of a new process, too, nobody knows it
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    lines = 1 if os.isatty(1) else -1
    sys.stdout = open(1, "w", buffering=lines, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _do(args: list[str]) -> None:
    """Run what the words say as Python runs it."""
    further = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [folder for folder in further if folder and folder not in sys.path]
    if Path(args[0]).name == "srseg":
        args = [args[0], "-m", *args]
    first, words = args[1], args[2:]
    if first == "-c":
        sys.path[0], sys.argv = "", ["-c", *words[1:]]
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(words[0], "<string>", "exec"), main.__dict__)
    elif first == "-m":
        sys.path[0], sys.argv = str(Path.cwd()), words
        runpy.run_module("srseg", run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(first).parent), [first, *words]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    # as the command line does, before torch is loaded
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for name in _LOADED:
        __import__(name)
    gc.collect()
    gc.freeze()
    # keepers are not waited for
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    wanted = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(wanted)
    _do(wanted["args"])
