"""Locks, free space and stamps."""

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from srseg.errors import InUseError, MissingFileError, StorageError
from srseg.storage import FileStamp, file_sha256, file_stamp, locked, require_free_space

HOLD = """
import sys, time
from srseg.storage import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


WITHOUT_FLOCK = """
import errno, fcntl, sys
def refuse(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = refuse
from srseg.storage import locked
with locked(sys.argv[1], timeout=0.2):
    print("two hold one lock")
"""


def test_lock_of_another_process_says_who_and_ends_with_it(tmp_path):
    target = tmp_path / "dataset"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InUseError, match=rf"in use by process {holder.pid} on .* since 20"),
            locked(target, timeout=0.1),
        ):
            pytest.fail("two hold one lock")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(target, timeout=1):
        assert f"process {os.getpid()}" in (tmp_path / ".dataset.holder").read_text()
    assert not (tmp_path / ".dataset.holder").exists()


def test_who_waits_is_told_for_whom_and_goes_on_when_it_is_free(tmp_path):
    target, told = tmp_path / "dataset", []
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"

        def listen(who):
            told.append(who)
            holder.kill()
            holder.wait()

        with locked(target, timeout=60, waiting=listen):
            assert f"process {os.getpid()}" in (tmp_path / ".dataset.holder").read_text()
    (who,) = told
    assert who.startswith(f"process {holder.pid} on ")


def test_waiting_can_be_given_up(tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    with (
        locked(tmp_path / "a"),
        pytest.raises(KeyboardInterrupt),
        locked(tmp_path / "a", timeout=60, waiting=interrupt),
    ):
        pytest.fail("two hold one lock")
    with locked(tmp_path / "a", timeout=0):
        pass


def test_lock_is_free_after_an_exception(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a"):
        raise KeyError
    with locked(tmp_path / "a", timeout=0):
        pass


def test_a_file_system_without_locks_gets_a_lock_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    falls_back = pytest.warns(UserWarning, match="falling back to SoftFileLock")
    with falls_back, locked(tmp_path / "a"):
        child = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", WITHOUT_FLOCK, str(tmp_path / "a")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"in use by process {os.getpid()}" in child.stderr
    assert list(tmp_path.iterdir()) == []


def test_lock_in_a_missing_folder(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"), locked(tmp_path / "x" / "a"):
        pass


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        (errno.EACCES, "make sure that you may write in "),
        (errno.EROFS, "make sure that you may write in "),
        (errno.ENOSPC, "make space in "),
    ],
)
def test_a_lock_that_cannot_be_made_names_its_file(tmp_path, monkeypatch, found, advice):
    def refuse(path, *_, **__):
        raise OSError(found, os.strerror(found), path)

    monkeypatch.setattr("filelock._unix.os.open", refuse)
    with pytest.raises(StorageError) as caught, locked(tmp_path / "a"):
        pass
    told = str(caught.value)
    assert f"{tmp_path / '.a.lock'} cannot be opened for writing: {os.strerror(found)}" in told
    assert told.endswith(f"{advice}{tmp_path}")


def test_a_lock_of_somebody_else_is_told_of(tmp_path):
    # a folder stands for what may not be opened, as tests may run as root
    (tmp_path / ".a.lock").mkdir()
    with pytest.raises(StorageError, match="ask who it belongs to for leave"):
        locked(tmp_path / "a").__enter__()


def test_free_space_is_named(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    require_free_space(tmp_path / "not" / "yet", 1, "nothing")
    with pytest.raises(StorageError, match=r"the copy of a\.h5 needs .* GB in .*free") as caught:
        require_free_space(tmp_path, free + (10 << 30), "the copy of a.h5")
    needed, left = (float(n) for n in re.findall(r"([\d.]+) GB", str(caught.value)))
    assert needed - left == pytest.approx(10.74, abs=0.3)
    assert "Nothing was written" in str(caught.value)


def test_stamp_tells_a_changed_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"a" * 100_000)
    before = file_stamp(path)
    assert before.size == 100_000
    assert before.mtime_ns == path.stat().st_mtime_ns
    assert before.header_sha256 == hashlib.sha256(b"a" * 65536).hexdigest()
    assert FileStamp.from_dict(before.to_dict()) == before
    path.write_bytes(b"b" * 100_000)
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert file_stamp(path) != before


def test_stamp_of_a_folder_of_slices(tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.tif").write_bytes(bytes(n + 1))
    before, digest = file_stamp(tmp_path), file_sha256(tmp_path)
    assert before.size == 6
    (tmp_path / "1.tif").rename(tmp_path / "9.tif")
    assert file_stamp(tmp_path).header_sha256 != before.header_sha256
    assert file_sha256(tmp_path) != digest


def test_whole_hash_and_missing_files(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 200_000)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"x" * 200_000).hexdigest()
    for look in (file_sha256, file_stamp):
        with pytest.raises(MissingFileError, match="was it moved"):
            look(tmp_path / "b")
