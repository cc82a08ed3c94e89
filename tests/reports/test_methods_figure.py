"""The figure of a comparison of methods."""

import numpy as np
import pytest

from srseg.errors import ParameterError
from srseg.evaluation import ComparedMethod, MethodTable, ScoreRow
from srseg.labels import DEFAULT_LABELS
from srseg.reports import methods_figure, save_figure

NAMES = ("degradation_rate", "bone_implant_contact", "bone_fraction_200um")


def method(name, *ious, **more):
    per_model = np.array([[iou, iou - 0.1, iou - 0.05] for iou in ious])
    found = {
        "fit_seconds": (60.0, 120.0), "predict_seconds": (6.0,), "fit_bytes": 2_000_000_000,
        "predict_bytes": 1_000_000_000, **more,
    }  # fmt: skip
    measures = tuple(
        {
            "model": model, "sample": "V",
            "prediction": dict.fromkeys(NAMES, value), "truth": dict.fromkeys(NAMES, 1.0),
        }
        for model, value in enumerate((1.1, 0.7))
    )  # fmt: skip
    return ComparedMethod(
        name, "soft3", ScoreRow(name, name, per_model), measures=measures, **found
    )


def table(*methods):
    return MethodTable(DEFAULT_LABELS, methods, "HQ", None, NAMES, ("V",))


def points(axis, label):
    """Give what stands under a label of the legend: the numbers, and their bars."""
    handles, labels = axis.get_legend_handles_labels()
    handle = handles[labels.index(label)]
    line = handle[0] if hasattr(handle, "lines") else handle
    bars = [s[:, 0] for s in handle[2][0].get_segments()] if hasattr(handle, "lines") else None
    return line.get_xdata(), bars


def test_each_number_stands_at_its_place(tmp_path):
    lost = ComparedMethod("lost", "", None, failures=(("fit lost fold 1", "no"),))
    figure = methods_figure(table(method("unet", 0.9, 0.8), lost, method("threshold", 0.5)))
    scores, numbers, time, memory = figure.axes
    assert [text.get_text() for text in scores.get_yticklabels()] == ["unet", "threshold"]
    values, bars = points(scores, "bone")
    np.testing.assert_allclose(values, [85, 50])
    np.testing.assert_allclose(bars[0], [80, 90])  # (0.9 - 0.8) / 2 is their standard error
    np.testing.assert_allclose(points(scores, "mean")[0], [80, 45])
    np.testing.assert_allclose(points(numbers, "BIC")[0], [20, 20])
    np.testing.assert_allclose(points(time, "a fit")[0], [1.5, 1.5])
    np.testing.assert_allclose(points(time, "a sample")[0], [0.1, 0.1])
    np.testing.assert_allclose(points(memory, "fitting")[0], [2, 2])
    assert "lost" in figure._supxlabel.get_text()
    save_figure(figure, tmp_path / "compare.svg")
    assert (tmp_path / "compare.svg").stat().st_size > 1000


def test_markers_at_0_are_whole_and_what_is_missing_is_said():
    """A class in no sample, and a number that nobody has."""
    bare = method("threshold", 0.1)
    bare.scores.per_model[:, 2] = np.nan
    for pair in bare.measures:
        pair["prediction"] |= {"degradation_rate": None, "bone_implant_contact": 1.0}
    why = "No DR of V: the metadata lack initial_volume_mm3 (srseg dataset metadata)."
    figure = methods_figure(
        MethodTable(DEFAULT_LABELS, (bare,), "HQ", None, NAMES, ("V",), without=(why,))
    )
    scores, numbers, *_ = figure.axes
    assert scores.get_legend_handles_labels()[1] == ["bone", "DL", "mean"]
    assert numbers.get_legend_handles_labels()[1] == ["BIC", "BV/TV"]
    values, _ = points(numbers, "BIC")
    np.testing.assert_array_equal(values, [0])
    figure.draw_without_rendering()
    edge = numbers.transData.transform([[0, 0]])[0, 0] - numbers.bbox.x0
    assert edge >= 0.5 * 5 / 72 * figure.dpi  # half a marker
    told = " ".join(figure._supxlabel.get_text().split())
    assert told == f"In no sample, and so not shown: RM. {why}"


def test_panels_without_anything_are_left_out():
    bare = ComparedMethod("WF labels", "labels", ScoreRow("wf", "wf", np.array([[0.9, 0.8, 0.7]])))
    assert len(methods_figure(table(bare)).axes) == 1
    with pytest.raises(ParameterError, match="no method has a score"):
        methods_figure(table(ComparedMethod("lost", "", None)))
