"""Votes in a folder: whose they are, who holds them, what a disk can do to them."""

import errno
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from srseg.errors import InUseError, MissingFileError, ParameterError, StorageError
from srseg.inference import Ballot, MemoryVotes, kept_identity
from srseg.inference._scratch_folder import ScratchFolder
from srseg.progress import reporting
from srseg.storage import PartFile

voters = runpy.run_path(str(Path(__file__).with_name("_voters.py")))
opened, vote, digest = (voters[name] for name in ("opened", "vote", "digest"))


@pytest.fixture(scope="module")
def whole():
    """Votes that were never anywhere but in memory."""
    votes = MemoryVotes(Ballot(4, voters["PLANES"]), voters["SHAPE"], voters["EDGE"])
    vote(votes)
    return digest(votes)


@pytest.fixture
def begun(tmp_path):
    """Give a folder where some slabs were added, with a carry into the next."""
    with opened(tmp_path / "begun") as votes:
        vote(votes, until=(1, 1))
        assert votes.carry is not None
    return tmp_path / "begun"


def goes_on(folder):
    with opened(folder) as votes:
        vote(votes)
        return digest(votes)


def names(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_ended_in_order_and_gone_on_with(begun, whole):
    with opened(begun) as votes:
        assert (votes.next_plane, votes.next_slab) == (1, 1)
        assert votes.carry.shape == (2, 3, 5)
    assert goes_on(begun) == whole
    with opened(begun) as votes:
        assert (votes.next_plane, votes.next_slab) == (1, 3)
        assert votes.carry is None
        assert digest(votes) == whole


def test_an_error_between_slabs_loses_nothing(tmp_path, whole):
    def failing(votes):
        vote(votes, until=(0, 2))
        raise RuntimeError("elsewhere")

    with pytest.raises(RuntimeError, match="elsewhere"), opened(tmp_path / "a") as votes:
        failing(votes)
    assert goes_on(tmp_path / "a") == whole


def test_what_was_added_is_not_added_again(begun):
    with opened(begun) as votes:
        votes.next_plane, votes.next_slab = 0, 0
        with pytest.raises(StorageError, match="another slab"):
            vote(votes, until=(0, 1))
    with opened(begun) as votes:
        back = voters["Back"](0, 1, None, votes.ballot)
        with pytest.raises(ParameterError, match="already added"):
            votes.add(0, voters["SimpleNamespace"](number=1), back, back.parts[0])


def test_left_in_the_midst_of_another_slab(begun, monkeypatch):
    class Ended(BaseException):
        pass

    def end(self, note):
        raise Ended

    with opened(begun) as votes:
        monkeypatch.setattr(type(votes._journal), "note", end)
        with pytest.raises(Ended):
            vote(votes, until=(1, 2))
    monkeypatch.undo()
    with opened(begun) as votes:
        back = voters["Back"](1, 2, votes.carry, votes.ballot)
        with pytest.raises(StorageError, match=r"another slab than that which comes next.*restart"):
            votes.add(1, voters["SimpleNamespace"](number=2), back, back.parts[0])


# whose it is


def test_another_prediction_is_refused_with_each_difference(begun):
    before = {path.name: path.read_bytes() for path in begun.glob("srseg*")}
    other = {"scan": {"name": "B", "size": 5}, "precision": "bf16"}
    with pytest.raises(StorageError) as error, opened(begun, identity=other, voting="hard"):
        pass
    text = str(error.value)
    assert 'scan, name was "A" and is "B"' in text
    assert 'model was "m" and is no more' in text
    assert 'precision was not there and is "bf16"' in text
    assert 'voting was "soft" and is "hard"' in text
    assert "size" not in text
    assert "--scratch" in text
    assert "--restart" in text
    assert {path.name: path.read_bytes() for path in begun.glob("srseg*")} == before


def test_many_and_long_differences_are_shortened(tmp_path):
    with opened(tmp_path / "a", identity={str(i): "x" * 1000 for i in range(30)}):
        pass
    with (
        pytest.raises(StorageError, match="and 23 more") as error,
        opened(tmp_path / "a", identity={str(i): "y" for i in range(31)}),
    ):
        pass
    assert len(str(error.value)) < 1500


def test_restart_begins_anew_and_removes_its_own_files_only(begun, whole):
    (begun / "notes.txt").write_text("mine")
    with opened(begun, identity={"model": "other"}, restart=True) as votes:
        assert (votes.next_plane, votes.next_slab) == (0, 0)
        assert not votes.read(tuple(slice(0, n) for n in votes.shape)).any()
        vote(votes)
        assert digest(votes) == whole
        votes.discard()
    assert [path.name for path in begun.iterdir()] == ["notes.txt"]


def test_discard_removes_the_folder(begun):
    with opened(begun) as votes:
        votes.discard()
    assert not begun.exists()


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "scan.tif").write_text("precious")
    for restart in (False, True):
        with (
            pytest.raises(StorageError, match=r"other files \(scan.tif\)"),
            opened(tmp_path, restart=restart),
        ):
            pass
    assert names(tmp_path) == {"scan.tif"}


@pytest.mark.parametrize("restart", [False, True])
def test_places_that_cannot_be_folders(tmp_path, restart):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(StorageError, match="is a file"), opened(tmp_path / "file", restart=restart):
        pass
    with pytest.raises(MissingFileError, match="no does not exist"), opened(tmp_path / "no" / "a"):
        pass
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Format": 2, "GeneratedBy": "srseg 99"}, r"another version \(srseg 99\)"),
        ({"Format": "x"}, "not what srseg wrote"),
        ({"Kind": "image"}, "not what srseg wrote"),
        ({"Identity": []}, "not what srseg wrote"),
        (None, "is not JSON"),
    ],
)
def test_documents_that_cannot_be_gone_on_with(begun, whole, change, match):
    place = begun / "srseg-votes.json"
    data = json.loads(place.read_text())
    place.write_text("{" if change is None else json.dumps(data | change))
    with pytest.raises(StorageError, match=f"{match}.*--restart"), opened(begun):
        pass
    with opened(begun, restart=True) as votes:
        vote(votes)
        assert digest(votes) == whole


def test_what_is_kept_can_be_asked_for(begun, tmp_path):
    kept = kept_identity(begun)
    assert kept["scan"] == {"name": "A", "size": 5}
    assert (kept["edge"], kept["shape"]) == (voters["EDGE"], list(voters["SHAPE"]))
    assert kept_identity(tmp_path / "none") is None


# who holds it


def test_a_second_process_is_told_who_works_there(begun):
    hold = (
        "import runpy, sys\n"
        f"voters = runpy.run_path({voters['__file__']!r})\n"
        "with voters['opened'](sys.argv[1]):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, begun], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        for restart in (False, True):
            with (
                pytest.raises(InUseError, match=f"in use by process {holder.pid} on "),
                opened(begun, restart=restart),
            ):
                pass
        # what a dead process held is free
        holder.kill()
    with opened(begun) as votes:
        assert (votes.next_plane, votes.next_slab) == (1, 1)


# what a disk can do


def test_space_is_asked_for_before_anything_starts(tmp_path, monkeypatch):
    def full(file, offset, n_bytes):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match=r"cannot reserve.*No space left.*--scratch"):
        opened(tmp_path / "a").__enter__()
    assert names(tmp_path) == set()
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(StorageError, match="only 1 bytes are free"):
        opened(tmp_path / "a").__enter__()
    assert names(tmp_path) == set()


def test_a_file_system_that_cannot_reserve(tmp_path, monkeypatch, whole):
    def cannot(file, offset, n_bytes):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    assert goes_on(tmp_path / "a") == whole


@pytest.mark.parametrize("at", [0, 1, 5, 12, 13, 14])
def test_a_disk_that_is_full_after_all(begun, monkeypatch, whole, at):
    pwrite = os.pwrite
    calls = []

    def full(file, data, offset):
        calls.append(offset)
        if len(calls) > at:
            if len(calls) == at + 1 and len(data) > 1:
                return pwrite(file, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match=r"No space left.*so far is kept"):
        goes_on(begun)
    monkeypatch.undo()
    assert goes_on(begun) == whole


def test_flipped_bits_are_found_or_do_no_harm(begun, tmp_path, whole):
    """Anywhere in any file: refused, or the same votes, but never other ones."""
    rng = np.random.default_rng(0)
    refused = {}
    for name in sorted(names(begun) - {"srseg-votes.json"}):
        size = (begun / name).stat().st_size
        text = (begun / name).read_bytes().rstrip(b"\0 \n")
        for _ in range(12):
            folder = shutil.copytree(begun, tmp_path / "flipped")
            data = bytearray((folder / name).read_bytes())
            data[rng.integers(len(text) or size)] ^= 1 << int(rng.integers(8))
            (folder / name).write_bytes(data)
            try:
                assert goes_on(folder) == whole
            except StorageError as error:
                assert "--restart" in str(error)  # noqa: PT017
                refused[name] = refused.get(name, 0) + 1
            shutil.rmtree(folder)
    assert {"srseg-votes.tiles", "srseg-votes.table"} <= set(refused)
    assert any("carry" in name for name in refused)


def test_a_flipped_bit_is_found_where_it_matters(begun):
    with opened(begun) as votes:
        store = votes._store
        place = int(store._entries[0, store._turn[0]]["place"])
    with (begun / "srseg-votes.tiles").open("r+b") as file:
        file.seek(place * store._n_bytes + 17)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    with pytest.raises(StorageError, match=r"srseg-votes.tiles: record 0 of 4 is damaged.*restart"):
        opened(begun).__enter__()


def test_a_flipped_bit_is_found_while_it_works(begun):
    with opened(begun) as votes:
        store = votes._store
        place = int(store._entries[0, store._turn[0]]["place"])
        store._records.write(b"\x55\xaa", place * store._n_bytes + 17)
        with pytest.raises(StorageError, match="record 0 of 4 is damaged"):
            vote(votes)


@pytest.mark.parametrize("name", ["tiles", "table", "state", "carry0"])
def test_files_that_are_gone_or_shorter(begun, name):
    path = begun / f"srseg-votes.{name}"
    path.write_bytes(path.read_bytes()[:11])
    with pytest.raises(StorageError, match=r"shorter than it was.*--restart"), opened(begun):
        pass
    path.unlink()
    with pytest.raises(StorageError, match=r"not there any more.*--restart"), opened(begun):
        pass


@pytest.fixture
def power(begun, tmp_path, monkeypatch, whole):
    """Give a folder where all is on the disk, and what was written from then to the end."""
    writes = []
    pwrite = os.pwrite

    def noted(file, data, offset):
        name = Path(f"/proc/self/fd/{file}").readlink().name
        writes.append((name, offset, bytes(data)))
        return pwrite(file, data, offset)

    before = shutil.copytree(begun, tmp_path / "before")
    monkeypatch.setattr(os, "pwrite", noted)
    assert goes_on(begun) == whole
    monkeypatch.undo()
    return before, writes


def test_the_power_fails_before_one_write_is_on_the_disk(power, tmp_path, whole):
    before, writes = power
    refused = []
    for lost in range(len(writes)):
        folder = shutil.copytree(before, tmp_path / "failed")
        for name, offset, data in writes[:lost] + writes[lost + 1 :]:
            with (folder / name).open("r+b") as file:
                file.seek(offset)
                file.write(data)
        try:
            assert goes_on(folder) == whole, lost
        except StorageError as error:
            assert "--restart" in str(error)  # noqa: PT017
            refused.append(lost)
        shutil.rmtree(folder)
    # the table's entry of the last tile: its place before holds what was there, whole and old
    last = max(i for i, (name, _, _) in enumerate(writes) if name == "srseg-votes.table")
    assert {last, last - 1} <= set(refused)
    # the last note alone may be missing: the slab is added again
    assert len(writes) - 1 not in refused


def test_the_power_fails(power, tmp_path, whole):
    """Of what was written since all was on the disk, any pages reach it, in any order."""
    before, writes = power
    rng = np.random.default_rng(1)
    refused = went_on = 0
    for number in range(150):
        folder = shutil.copytree(before, tmp_path / "failed")
        end = rng.integers(1, len(writes) + 1)
        share = rng.choice([0.1, 0.5, 0.9, 1 - 1 / end])
        for name, offset, data in writes[:end]:
            with (folder / name).open("r+b") as file:
                # a page of these small files is 64 bytes
                for start in range(0, len(data), 64):
                    if rng.random() < share:
                        file.seek(offset + start)
                        file.write(data[start : start + 64])
        try:
            assert goes_on(folder) == whole, number
            went_on += 1
        except StorageError as error:
            assert "--restart" in str(error)  # noqa: PT017
            refused += 1
        shutil.rmtree(folder)
    assert refused > 20
    assert went_on > 2


def test_checking_says_how_far_it_is(begun):
    seen = []

    class Listener:
        def open(self, description, total):
            seen.append((description, total))
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def advance(self, amount=1, status=""):
            seen.append(amount)

    with reporting(Listener()), opened(begun):
        pass
    assert seen == [("checking the votes so far", 4), 1, 1, 1, 1]


def test_files_that_cannot_be_removed_do_not_hide_what_led_there(tmp_path, monkeypatch):
    def not_allowed(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def fails(*_, **__):
        monkeypatch.setattr(Path, "unlink", not_allowed)
        raise StorageError(errno.EACCES, "cannot write the first file")

    monkeypatch.setattr("srseg.inference._scratch_folder.write_json", fails)
    with pytest.raises(StorageError, match="cannot write the first file"), opened(tmp_path / "new"):
        pass
    assert any((tmp_path / "new").iterdir())


def test_an_error_of_closing_one_file_leaves_no_other(tmp_path, monkeypatch):
    closed = []

    def failing(file):
        close(file)
        closed.append(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    close = PartFile.close
    monkeypatch.setattr(PartFile, "close", failing)
    with (
        pytest.raises(OSError, match="error"),
        ScratchFolder.open(tmp_path / "new", "votes", {}) as folder,
    ):
        made = [folder.file("one"), folder.file("two")]
    assert {*closed} == {*made}
    assert not (tmp_path / "new").exists()
