"""The figure that shows how a network learned."""

import csv
import math

import numpy as np
import pytest

from srseg.errors import FileFormatError, MissingFileError, ParameterError
from srseg.reports import save_figure, training_curve
from srseg.training import History


def records(n=6, validation=True, **changes):
    found = []
    for i in range(1, n + 1):
        record = {"iteration": 100 * i, "loss": 1 / i, "learning_rate": 3e-4}
        if validation:
            record |= {"validation_loss": 0.1 + (i - 4) ** 2, "validation_iou": 0.1 * i}
        found.append(record)
    for name, (row, value) in changes.items():
        found[row][name] = value
    return found


def drawn(axis):
    """Give the curves by their labels, without the mark of the best iteration."""
    return {line.get_label(): line.get_xydata() for line in axis.lines if len(line.get_xdata()) > 2}


def marks(figure):
    """Give where each panel has its vertical line."""
    return [[x[0] for line in axis.lines if len(x := line.get_xdata()) == 2 and x[0] == x[1]]
            for axis in figure.axes]  # fmt: skip


def test_the_panels():
    figure = training_curve(records(), "a network")
    loss, iou, rate = figure.axes
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "loss", "validation IoU", "learning rate",
    ]  # fmt: skip
    assert rate.get_xlabel() == "iteration"
    assert figure.get_suptitle() == "a network"
    curves = drawn(loss)
    # of another loss than that which is trained with
    names = ["training", "validation (cross-entropy)"]
    assert list(curves) == names
    assert [text.get_text() for text in loss.get_legend().get_texts()] == names
    np.testing.assert_allclose(curves["training"], [(100 * i, 1 / i) for i in range(1, 7)])
    np.testing.assert_allclose(
        curves[names[1]], [(100 * i, 0.1 + (i - 4) ** 2) for i in range(1, 7)]
    )
    (found,) = drawn(iou).values()
    np.testing.assert_allclose(found[:, 1], np.arange(1, 7) / 10)
    (found,) = drawn(rate).values()
    np.testing.assert_allclose(found[:, 1], 3e-4)


def test_the_best_iteration_is_marked():
    figure = training_curve(records())
    assert marks(figure) == [[400]] * 3
    assert figure.axes[0].get_title("right") == (
        "best: iteration 400, validation loss 0.100, IoU 0.400"
    )


def test_what_the_history_says_is_best_counts():
    figure = training_curve(History(records(), n_iter=600, best_iter=200))
    assert marks(figure) == [[200]] * 3
    assert "iteration 200, validation loss 4.100, IoU 0.200" in figure.axes[0].get_title("right")


def test_without_validation():
    figure = training_curve(records(validation=False))
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "learning rate"]
    assert marks(figure) == [[], []]
    assert figure.axes[0].get_legend() is None


@pytest.mark.parametrize("validation", [True, False])
def test_one_record(validation, tmp_path):
    figure = training_curve(records(1, validation))
    (line, *_) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[100, 1]]
    assert line.get_marker() not in ("", "None", None)  # a line of one point is not seen
    save_figure(figure, tmp_path / "one.png")


def test_values_that_are_no_numbers_leave_gaps(tmp_path):
    found = records(loss=(2, math.nan), validation_loss=(3, math.nan), validation_iou=(0, math.nan))
    figure = training_curve(found)
    loss = drawn(figure.axes[0])
    assert np.flatnonzero(np.isnan(loss["training"][:, 1])).tolist() == [2]
    assert marks(figure) == [[300]] * 3  # 400 would be, had it a value
    save_figure(figure, tmp_path / "gaps.png")
    never = [record | {"validation_iou": math.nan} for record in records()]
    panels = [axis.get_ylabel() for axis in training_curve(never).axes]
    assert panels == ["loss", "learning rate"]
    lost = [{"iteration": 1, "loss": math.nan, "learning_rate": 0.0}]
    save_figure(training_curve(lost), tmp_path / "lost.png")


def test_what_spans_orders_of_magnitude_is_logarithmic():
    wide = records(loss=(0, 50.0), learning_rate=(5, 1e-7))
    loss, iou, rate = training_curve(wide).axes
    assert [axis.get_yscale() for axis in (loss, iou, rate)] == ["log", "linear", "log"]
    narrow = training_curve(records(validation=False)).axes
    assert [axis.get_yscale() for axis in narrow] == ["linear", "linear"]


def write_log(path, rows, columns):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


COLUMNS = ["iteration", "loss", "learning_rate", "validation_loss", "validation_iou", "seconds"]


def test_a_log_gives_the_same_figure(tmp_path):
    write_log(tmp_path / "wf.train.csv", records(), COLUMNS)
    read, given = training_curve(tmp_path / "wf.train.csv"), training_curve(records())
    for one, other in zip(read.axes, given.axes, strict=True):
        for line, twin in zip(one.lines, other.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), twin.get_xydata())


def test_a_log_of_a_run_that_went_on(tmp_path):
    path = tmp_path / "wf.train.csv"
    again = [record | {"loss": 7.0} for record in records()[2:4]]
    write_log(path, [*records(4), *again], COLUMNS)
    with path.open("a") as file:
        file.write("500,0.2")  # killed while it wrote
    found = drawn(training_curve(str(path)).axes[0])["training"]
    assert found.tolist() == [[100, 1], [200, 0.5], [300, 7], [400, 7]]


def test_a_log_without_validation(tmp_path):
    write_log(tmp_path / "a.csv", records(validation=False), COLUMNS[:3])
    assert len(training_curve(tmp_path / "a.csv").axes) == 2
    write_log(tmp_path / "b.csv", records(validation=False), COLUMNS)
    assert len(training_curve(tmp_path / "b.csv").axes) == 2


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ParameterError, match="no record of the training"):
        training_curve([])
    with pytest.raises(ParameterError, match="has no loss; it has iteration, learning_rate"):
        training_curve([{"iteration": 1, "learning_rate": 1.0}])
    with pytest.raises(MissingFileError, match=r"none\.csv does not exist"):
        training_curve(tmp_path / "none.csv")
    path = tmp_path / "log.csv"
    path.write_text("iteration,score\n1,2\n")
    with pytest.raises(FileFormatError, match="no column loss, learning_rate; its columns are it"):
        training_curve(path)
    path.write_text("")
    with pytest.raises(FileFormatError, match="its columns are -"):
        training_curve(path)
    path.write_text("iteration,loss,learning_rate\n1,high,3e-4\n")
    with pytest.raises(FileFormatError, match=r"log\.csv, column loss: 'high' is no number"):
        training_curve(path)
    path.write_text("iteration,loss,learning_rate\n1,2\n2,3,4\n")
    with pytest.raises(FileFormatError, match="row 2 has 2 cells where the first has 3"):
        training_curve(path)
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(FileFormatError, match="is no CSV file"):
        training_curve(path)
