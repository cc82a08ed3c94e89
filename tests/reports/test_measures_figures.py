"""Figures of implant numbers: every subject is seen, and n, and units."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from srseg.errors import ParameterError
from srseg.quantification import Group, Measure, Measures
from srseg.reports import group_figure, profile_figure, save_figure


def group(alloy, time, values, measure="degradation_rate"):
    named = {f"{i:02d}": v for i, v in enumerate(values)}
    return Group("WF", measure, "DR", "mm/year", alloy, time, named, len(values))


GROUPS = [
    group("Mg-5Gd", "4w", [0.2, 0.2, 0.3, 0.25]),
    group("Mg-5Gd", "8w", [0.22, 0.28]),
    group("Mg-10Gd", "4w", [0.4, 0.41, 0.5]),
]


def profile(sample, label_set, values, **more):
    entries = tuple(
        Measure(f"bone_fraction_{d}um", f"BV/TV within {d} µm", v, "%", "…", **more)
        for d, v in values.items()
    )
    return Measures(entries, {"sample": sample, "label_set": label_set})


def drawn(axis):
    return [line for line in axis.lines if len(line.get_xdata())]


def test_every_subject_is_a_point_and_n_is_seen():
    figure = group_figure(GROUPS, "a title")
    (axis,) = figure.axes
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn(axis)]
    assert sorted(y for _, y in points) == sorted(v for g in GROUPS for v in g.values.values())
    # equal values stand beside each other
    assert len(set(points)) == len(points)
    assert sorted(t.get_text() for t in axis.texts) == ["n = 2", "n = 3", "n = 4"]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["4w", "8w"]
    assert axis.get_ylabel() == "DR [mm/year]"
    medians = [c.get_segments()[0][0][1] for c in axis.collections]
    assert medians == [g.median for g in GROUPS]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["Mg-5Gd", "Mg-10Gd", "median"]
    styles = {(line.get_color(), line.get_marker()) for line in drawn(axis)}
    assert len(styles) == 2


def test_times_stand_in_their_order_also_where_the_first_alloy_lacks_one():
    late, early = group("Mg-10Gd", "8w", [1.0]), group("Mg-5Gd", "4w", [2.0])
    (axis,) = group_figure([replace(late, rank=1), early]).axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["4w", "8w"]


def test_groups_of_several_measures_are_no_figure():
    with pytest.raises(ParameterError, match="found 2"):
        group_figure([GROUPS[0], group("Mg-5Gd", "4w", [1], "pit_depth")])
    with pytest.raises(ParameterError, match="found 0"):
        group_figure([])


def test_a_profile_by_label_set_or_by_sample():
    one = profile("A", "WF", {200: 50.0, 50: 30.0, 100: 40.0, 500: math.nan})
    other = profile("A", "HQ", {50: 31.0, 100: 42.0}, interval=(30.0, 45.0))
    figure = profile_figure([one, other])
    lines = drawn(figure.axes[0])
    np.testing.assert_array_equal(lines[0].get_xdata(), [50, 100, 200])
    np.testing.assert_array_equal(lines[0].get_ydata(), [30, 40, 50])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["WF", "HQ"]
    assert len(figure.axes[0].collections) == 2  # the intervals
    samples = profile_figure([one, profile("B", "WF", {50: 1.0})])
    assert [t.get_text() for t in samples.legends[0].get_texts()] == ["A", "B"]
    assert not profile_figure([one]).legends
    with pytest.raises(ParameterError, match="nothing has a BV/TV"):
        profile_figure([Measures((Measure("pit_depth", "…", 1.0, "µm", "…"),))])


def test_nothing_is_drawn_outside_of_the_picture(tmp_path):
    for figure in (group_figure(GROUPS, "WF labels"), profile_figure([
        profile("A", "WF", {50: 30.0, 100: 40.0}), profile("A", "HQ", {50: 31.0}),
    ])):  # fmt: skip
        FigureCanvasAgg(figure).draw()
        box = figure.bbox
        tight = figure.get_tightbbox()
        inches = figure.get_size_inches()
        assert tight.x0 >= 0
        assert tight.y0 >= 0
        assert tight.x1 <= inches[0] + 0.01
        assert tight.y1 <= inches[1] + 0.01
        assert box.width > 0
        save_figure(figure, tmp_path / "figure.png")
