"""What training writes down while it runs."""

import csv
import math
import sys
import types

import pytest

from srseg.errors import MissingPackageError
from srseg.training import CsvLog, History, TensorBoardLog

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
