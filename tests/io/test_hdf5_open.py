"""Opening: file systems without locks, files that are being written, read-only sources."""

import errno
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from srseg.errors import FileFormatError, StorageError
from srseg.io import describe, open_volume

VOLUME = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = VOLUME
    return tmp_path / "scan.h5"


@pytest.fixture
def lock_fails(monkeypatch):
    """Let h5py fail to lock with an error, as it does on file systems without locks."""
    asked = []

    def with_error(number, numbered=True):
        class File(h5py.File):
            def __init__(self, path, *mode, locking=None):
                if mode:  # else it is what was opened already
                    asked.append(locking)
                if locking:
                    text = (
                        "Unable to synchronously open file (unable to lock file, errno = "
                        f"{number}, error message = '{os.strerror(number)}')"
                    )
                    raise OSError(number, text) if numbered else OSError(text)
                super().__init__(path, *mode, locking=locking)

        monkeypatch.setattr(h5py, "File", File)
        return asked

    return with_error


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    "number",
    [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EIO, 524],
)
def test_without_locks_a_file_is_opened_without(path, lock_fails, number, numbered):
    asked = lock_fails(number, numbered)
    np.testing.assert_array_equal(open_volume(path, voxel_size=5).read(), VOLUME)
    assert asked == ["best-effort", False] * 2


def test_lock_of_another_program_is_respected(path, lock_fails):
    asked = lock_fails(errno.EAGAIN)
    with pytest.raises(StorageError, match=r"scan\.h5 is being written by another program"):
        describe(path)
    assert asked == ["best-effort"]


def test_other_errors_are_no_reason_to_go_without_a_lock(path, monkeypatch):
    asked = []

    def fail(*args, locking):
        asked.append(locking)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(FileFormatError, match="cannot be opened as HDF5"):
        describe(path)
    assert asked == ["best-effort"]


def _describe_elsewhere(path, **environment):
    code = (
        "import sys\nfrom srseg.io import describe\n"
        "try:\n    print(describe(sys.argv[1]).shape)\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout


def test_file_that_is_being_written(path):
    """A real second process, with the real lock."""
    with h5py.File(path, "a") as file:
        file.flush()
        assert "StorageError" in (said := _describe_elsewhere(path))
        assert "scan.h5 is being written by another program" in said
        # who knows better may say so: the variable of HDF5 stands above all
        assert "(2, 3, 4)" in _describe_elsewhere(path, HDF5_USE_FILE_LOCKING="FALSE")
    assert "(2, 3, 4)" in _describe_elsewhere(path)


def test_file_that_a_crashed_program_left_open(path):
    with h5py.File(path, "w", libver="latest") as file:
        file["data"] = VOLUME
        file.flush()
        said = _describe_elsewhere(path, HDF5_USE_FILE_LOCKING="FALSE")
    assert "open for writing, or was when its program crashed" in said
    assert "h5clear -s" in said


def test_read_only_source(path, tmp_path):
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        np.testing.assert_array_equal(open_volume(path, voxel_size=5).read(), VOLUME)
    finally:
        tmp_path.chmod(0o755)
    assert [p.name for p in tmp_path.iterdir()] == ["scan.h5"]


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(FileFormatError, match=r"a\.h5 is neither a file nor a folder"):
        describe(tmp_path / "a.h5")
