"""A kill at any moment leaves the old file or the new one, never a mixture."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from srseg.errors import MissingFileError, SRSegError, StorageError
from srseg.storage import atomic_folder, atomic_path, make_folder, unfinished, write_text
from srseg.storage._machine import machine_tag


def test_file_appears_only_when_all_is_written(tmp_path):
    target = tmp_path / "scan.h5"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"voxels")
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(f".scan.h5.{os.getpid()}-")
        assert temporary.name.endswith(".part")
        assert not target.exists()
    assert target.read_bytes() == b"voxels"
    assert [p.name for p in tmp_path.iterdir()] == ["scan.h5"]


def test_exception_removes_the_temporary_file_and_keeps_the_old(tmp_path):
    target = tmp_path / "scan.h5"
    target.write_bytes(b"old")
    with pytest.raises(KeyError), atomic_path(target, overwrite=True) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise KeyError
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["scan.h5"]


def test_existing_file_is_refused_before_anything_is_done(tmp_path):
    target = tmp_path / "scan.h5"
    target.write_bytes(b"old")
    with pytest.raises(StorageError, match=r"scan\.h5 exists already"), atomic_path(target):
        pytest.fail("the block must not run")
    write_text(target, "new", overwrite=True)
    assert target.read_text() == "new"


def test_file_that_came_meanwhile_is_kept(tmp_path):
    target = tmp_path / "scan.h5"
    with pytest.raises(StorageError, match="exists already"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert unfinished(tmp_path) == []


def test_of_many_writers_exactly_one_wins(tmp_path):
    target, outcomes, ready = tmp_path / "a.txt", [], threading.Barrier(8)

    def write(n):
        try:
            with atomic_path(target) as temporary:
                temporary.write_text(str(n))
                ready.wait()
        except StorageError:
            outcomes.append(None)
        else:
            outcomes.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [n for n in outcomes if n is not None]
    assert len(outcomes) == 8
    assert [target.read_text()] == [str(n) for n in winners]


@pytest.mark.parametrize("code", ["EPERM", "EACCES", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL"])
def test_file_system_without_hard_links(tmp_path, monkeypatch, code):
    def refuse(*_):
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "a.txt"
    write_text(target, "one")
    assert target.read_text() == "one"
    with pytest.raises(StorageError, match="exists already"), atomic_path(target) as temporary:
        pytest.fail(f"{temporary} must not be offered")
    other = tmp_path / "b.txt"
    with pytest.raises(StorageError, match="exists already"), atomic_path(other) as temporary:  # noqa: PT012
        temporary.write_text("mine")
        other.write_text("theirs")
    assert other.read_text() == "theirs"


def test_other_errors_of_the_last_step_are_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        write_text(tmp_path / "a.txt", "one")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_folder_as_target_and_nothing_written(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist; make it"):
        write_text(tmp_path / "none" / "a.txt", "")
    with pytest.raises(StorageError, match="is a folder"):
        write_text(tmp_path, "", overwrite=True)
    with (
        pytest.raises(StorageError, match=r"cannot write .*a\.txt"),
        atomic_path(tmp_path / "a.txt"),
    ):
        pass  # the block made no file
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        (errno.ENOSPC, "make space and start again"),
        (errno.EDQUOT, "make space and start again"),
        (errno.EACCES, "make sure that you may write in {folder}, and start again"),
        (errno.EIO, "put that right and start again"),
    ],
)
@pytest.mark.parametrize("place", [atomic_path, atomic_folder])
def test_what_could_not_be_written_says_what_to_do(tmp_path, place, found, advice):
    told = f"{os.strerror(found)}; {advice.format(folder=tmp_path)}. What was there is kept"
    with pytest.raises(StorageError) as caught, place(tmp_path / "a"):
        raise OSError(found, os.strerror(found))
    assert caught.value.errno == found
    assert str(caught.value) == f"cannot write {tmp_path / 'a'}: {told}"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot make the folder .*c: Not a directory; put"):
        make_folder(tmp_path / "file" / "c")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot write"):
            write_text(tmp_path / "a.txt", "")
    finally:
        tmp_path.chmod(0o700)


def test_suffix_for_writers_that_look_at_the_name(tmp_path):
    with atomic_path(tmp_path / "a.nii.gz", suffix=".nii.gz") as temporary:
        temporary.write_bytes(b"1")
        assert temporary.name.endswith(".part.nii.gz")
        (left,) = unfinished(tmp_path)
        assert left.target == tmp_path / "a.nii.gz"


def test_errors_are_ours(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(SRSegError) as caught:
        write_text(tmp_path / "a", "")
    assert isinstance(caught.value, OSError)


def test_killed_writer_leaves_the_old_file_and_a_named_rest(tmp_path):
    target = tmp_path / "scan.h5"
    target.write_bytes(b"old")
    script = textwrap.dedent(
        """
        import sys, time
        from srseg.storage import atomic_path
        with atomic_path(sys.argv[1], overwrite=True) as temporary:
            temporary.write_bytes(b"half")
            print("writing", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "writing\n"
        (left,) = unfinished(tmp_path)
        assert (left.pid, left.target, left.writer) == (writer.pid, target, "running")
        assert not left.abandoned
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    (left,) = unfinished(tmp_path)
    assert left.writer == "ended"
    assert left.abandoned
    assert abs(left.modified - time.time()) < 60
    assert left.path.read_bytes() == b"half"
    assert target.read_bytes() == b"old"
    with pytest.raises(StorageError, match="exists already"), atomic_path(target):
        pass
    assert unfinished(tmp_path) == [left]
    running = tmp_path / f".scan.h5.{os.getpid()}-{machine_tag()}0123.part"
    running.write_bytes(b"half")
    with atomic_path(target, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    # what the killed one left is worth nothing now; what others write is theirs
    assert sorted(tmp_path.iterdir()) == [running, target]


def test_what_a_killed_writer_of_a_folder_left_goes_with_the_next(tmp_path):
    target = tmp_path / "scan.ome.zarr"
    left = tmp_path / f".scan.ome.zarr.4194999-{machine_tag()}0123.part"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "0").write_bytes(b"half")
    other = tmp_path / f".other.ome.zarr.4194999-{machine_tag()}0123.part"
    other.mkdir()
    with atomic_folder(target) as temporary:
        (temporary / "zarr.json").write_text("{}")
    assert sorted(tmp_path.iterdir()) == [other, target]


def test_an_earlier_folder_has_its_name_until_the_new_one_has_it(tmp_path, monkeypatch):
    target = tmp_path / "scan.ome.zarr"
    with atomic_folder(target) as temporary:
        (temporary / "old").write_text("1")

    def moved(*_):
        pytest.fail("the earlier folder was moved aside")

    monkeypatch.setattr(Path, "rename", moved)
    if sys.platform == "linux":
        with atomic_folder(target, overwrite=True) as temporary:
            (temporary / "new").write_text("2")
        assert [path.name for path in target.iterdir()] == ["new"]
    monkeypatch.undo()
    # where the system cannot
    monkeypatch.setattr("srseg.storage._atomic_folder._exchanged", lambda *_: False)
    with atomic_folder(target, overwrite=True) as temporary:
        (temporary / "newest").write_text("3")
    assert [path.name for path in target.iterdir()] == ["newest"]
    assert list(tmp_path.iterdir()) == [target]


def test_unfinished_looks_into_folders_and_passes_over_other_names(tmp_path):
    deep = tmp_path / "sub-01" / "micr"
    deep.mkdir(parents=True)
    (deep / ".a.h5.4194999-0123456789.part").write_bytes(b"")
    (deep / "a.part").write_bytes(b"")
    (deep / ".a.h5.lock").write_bytes(b"")
    assert [u.target for u in unfinished(tmp_path)] == [deep / "a.h5"]


@pytest.mark.parametrize(
    ("age", "abandoned"), [(60, False), (7200, True), (-7200, False), (-1e7, True)]
)
def test_a_process_number_of_another_machine_means_nothing_here(tmp_path, age, abandoned):
    """Neither that this process runs here, nor that the other does not."""
    elsewhere = "0" * 6 if machine_tag() != "0" * 6 else "1" * 6
    for pid in (os.getpid(), 4194999):
        part = tmp_path / f".a.h5.{pid}-{elsewhere}0123.part"
        part.write_bytes(b"")
        os.utime(part, (time.time() - age,) * 2)
    for left in unfinished(tmp_path):
        assert (left.writer, left.abandoned) == ("elsewhere", abandoned)


def test_the_longest_names_of_a_dataset_can_be_written(tmp_path):
    long = "x" * 64
    write_text(tmp_path / f"sub-{long}_sample-{long}_desc-{long}_rev-1234_dseg.json", "{}")
