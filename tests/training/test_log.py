"""What training writes down while it runs."""

import csv
import errno
import math
import os
import shutil
import sys
import types
import warnings

import pytest

from srseg.errors import MissingPackageError, StorageError
from srseg.training import CsvLog, History, TensorBoardLog
from srseg.training._listeners import Listeners

RECORDS = [
    {"iteration": 10, "loss": 0.1 + 0.2, "learning_rate": 3e-4, "seconds": 1.5},
    {"iteration": 20, "loss": math.nan, "learning_rate": 1.5e-4, "validation_loss": 0.25,
     "validation_iou": 0.75, "seconds": 3.0},
]  # fmt: skip


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_those_of_the_history_and_none_is_there_twice(tmp_path):
    path = tmp_path / "t.csv"
    log = CsvLog(path)
    log.begin(History())
    assert path.read_text() == (
        "iteration,loss,learning_rate,validation_loss,validation_iou,seconds\n"
    )
    for record in RECORDS:
        log.add(record)
    first, second = rows(path)
    assert float(first["loss"]) == pytest.approx(0.3, abs=1e-9)
    assert first["validation_loss"] == ""
    assert second["loss"] == "nan"
    assert float(second["learning_rate"]) == 1.5e-4
    # the checkpoint that training goes on from is older than the last row
    again = CsvLog(path)
    again.begin(History(RECORDS[:1], 15))
    assert rows(path) == [first]
    again.add(RECORDS[1])
    assert rows(path) == [first, second]


def test_tensorboard_gets_a_curve_for_each_number(tmp_path, monkeypatch):
    """The calls that its writer gets; the package itself is not needed for them."""
    calls = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, *point):
            calls.append(point)

        def flush(self):
            calls.append("flush")

    module = types.ModuleType("tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    log = TensorBoardLog(tmp_path / "run")
    log.begin(History(RECORDS[:1], 15))
    log.add(RECORDS[0])
    monkeypatch.delattr(SummaryWriter, "flush")
    with pytest.raises(StorageError, match="no attribute 'flush'"):
        log.add({"iteration": 20})
    assert calls == [
        (str(tmp_path / "run"), 11),
        ("loss", RECORDS[0]["loss"], 10),
        ("learning_rate", 3e-4, 10),
        ("seconds", 1.5, 10),
        "flush",
    ]


def test_without_tensorboard_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPackageError, match="pip install tensorboard"):
        TensorBoardLog(tmp_path)


def test_a_history_is_plain_data_and_comes_back():
    history = History(RECORDS, 25, 20, stopped=True)
    data = history.to_dict()
    assert data["records"][1]["loss"] is None
    back = History.from_dict(data)
    assert math.isnan(back.records[1].pop("loss"))
    assert {**RECORDS[1], **back.records[1]} == pytest.approx(RECORDS[1], nan_ok=True)
    assert (back.records[0], back.n_iter, back.best_iter, back.stopped) == (
        RECORDS[0], 25, 20, True,
    )  # fmt: skip


def test_a_row_that_could_not_be_written_is_there_with_the_next_one(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    history = History()
    log = CsvLog(folder / "t.csv")
    log.begin(history)
    shutil.rmtree(folder)
    for record in RECORDS:
        history.records.append(record)
        if record is RECORDS[1]:
            folder.mkdir()
            log.add(record)
        else:
            with pytest.raises(FileNotFoundError):
                log.add(record)
    assert [float(row["iteration"]) for row in rows(folder / "t.csv")] == [10, 20]


class Failing:
    """Cannot write the records of some iterations."""

    def __init__(self, *iterations):
        self.iterations, self.told = iterations, []

    def begin(self, history):
        pass

    def add(self, record):
        self.told.append(record["iteration"])
        if record["iteration"] in self.iterations:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_that_fails_is_a_warning_once_and_told_again():
    failing, other = Failing(2, 3, 5), Failing()
    listeners = Listeners([failing, other])
    for iteration in range(1, 7):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            listeners.add({"iteration": iteration})
        words = [str(warning.message) for warning in said]
        # of iteration 5 again: it was well in between
        new = ["the log Failing cannot be written: No space left on device; training goes on"]
        assert words == (new if iteration in (2, 5) else [])
    assert failing.told == other.told == [1, 2, 3, 4, 5, 6]


def test_what_a_log_means_to_say_is_heard():
    class Pruning(Failing):
        def add(self, record):
            raise ValueError("pruned")

    with pytest.raises(ValueError, match="pruned"):
        Listeners([Pruning()]).add({"iteration": 1})
