"""Who has to wait is told for whom, goes on when it is free, and may give up."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from srseg.dataset import _waiting
from srseg.errors import InUseError
from srseg.progress import reporting

HOLD = """
import sys, time
from pathlib import Path
from srseg.dataset._layout import Layout
with Layout(Path(sys.argv[1])).lock("sample-A"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""

WAIT = """
import signal, sys
# programs that a shell starts in the background, and theirs, ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
from contextlib import contextmanager
from pathlib import Path
from srseg.dataset._layout import Layout
from srseg.progress import reporting

class Loud:
    @contextmanager
    def open(self, description, total):
        print("waiting", flush=True)
        yield self
    def advance(self, amount=1, status=""):
        pass

with reporting(Loud()), Layout(Path(sys.argv[1])).lock("sample-A"):
    print("two hold one lock")
"""


class Listener:
    def __init__(self):
        self.shown, self.told = [], []

    @contextmanager
    def open(self, description, total):
        self.shown.append((description, total))
        yield self
        self.shown.append("closed")

    def advance(self, amount=1, status=""):
        self.told.append((amount, status))


@contextmanager
def held(root, seconds):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, root, str(seconds)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_bar_says_for_whom(study):
    listener = Listener()
    with held(study.path, 1.2) as holder, reporting(listener), study._layout.lock("sample-A"):
        # the bar is gone before the work begins
        assert listener.shown == [("waiting for sample-A", None), "closed"]
    assert all(amount == 0 for amount, _ in listener.told)
    assert f"in use by process {holder.pid} on " in listener.told[0][1]
    assert " since 20" in listener.told[0][1]


def test_a_line_is_written_once_where_it_takes_long(study, monkeypatch):
    monkeypatch.setattr(_waiting, "_PATIENCE", 0)
    with (
        held(study.path, 2) as holder,
        pytest.warns(UserWarning, match=r"waiting for process \d+ on .* holds sample-A") as told,
        study._layout.lock("sample-A"),
    ):
        pass
    assert len(told) == 1
    assert str(holder.pid) in str(told[0].message)


def test_an_end_to_patience(study):
    with (
        held(study.path, 60),
        pytest.raises(InUseError, match="in use by process"),
        study._layout.lock("sample-A", timeout=0.1),
    ):
        pytest.fail("two hold one lock")


def test_ctrl_c_gives_up_waiting(study):
    with (
        held(study.path, 60),
        subprocess.Popen(
            [sys.executable, "-c", WAIT, study.path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as waiting,
    ):  # fmt: skip
        assert waiting.stdout.readline() == "waiting\n"
        waiting.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in waiting.communicate(timeout=60)[1]
    assert waiting.returncode == -signal.SIGINT
    with study._layout.lock("sample-A", timeout=5):
        pass
