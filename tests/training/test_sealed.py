"""Files of tensors: who may read them, and what a killed writer leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
from typing import TYPE_CHECKING, NoReturn

import torch

from srseg.storage import unfinished
from srseg.training import _sealed

if TYPE_CHECKING:
    from pathlib import Path

TENSORS = {"weight": torch.zeros(5)}


def write(path: Path) -> None:
    _sealed.write_tensors(path, TENSORS, {"format": "test"}, overwrite=True)


def test_others_may_read_it_as_any_new_file(tmp_path: Path) -> None:
    for mask, expected in ((0o022, 0o644), (0o027, 0o640)):
        before = os.umask(mask)
        try:
            write(tmp_path / "a.srseg")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a.srseg").stat().st_mode) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["a.srseg"]


def killed(path: Path) -> None:
    def save(_: object, file: Path, __: object) -> NoReturn:
        # as safetensors does: under a name of its own, beside the one that it was given
        (file.parent / ".tmpJCwLJf").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    _sealed.save_file = save
    write(path)


def test_what_a_killed_writer_left_is_known_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.srseg"
    child = multiprocessing.get_context("fork").Process(target=killed, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (left,) = unfinished(tmp_path)
    assert (left.target, left.abandoned) == (path, True)
    write(path)
    assert list(tmp_path.iterdir()) == [path]
