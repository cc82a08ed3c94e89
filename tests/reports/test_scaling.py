"""The figure of scores against cost, as the paper's Fig. 3."""

import csv
import itertools
import math

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV

from srseg.backbones import describe_backbone
from srseg.errors import FileFormatError, MissingFileError, ParameterError
from srseg.reports import save_figure, scaling_figure

SIZES = {"depth": [1, 2], "width": [2, 4, 6], "input_size": [16, 32]}
SIGNS = {"depth": "$d$ = {}", "width": "$c_0$ = {}", "input_size": "{}²"}


def grid(folds=4, prefix="param_", **axes):
    """Give results as scikit-learn does: scores that grow with each of the three."""
    axes = axes or SIZES
    rows = list(itertools.product(*axes.values()))
    columns = {}
    for i, name in enumerate(axes):
        columns[prefix + name] = np.ma.MaskedArray([row[i] for row in rows], dtype=object)
    means = np.array([0.7 + 0.01 * sum(map(math.log2, row)) for row in rows])
    for fold in range(folds):
        columns[f"split{fold}_test_score"] = means + 0.01 * (fold - (folds - 1) / 2)
    columns["mean_test_score"] = means
    columns["std_test_score"] = np.zeros(len(rows))
    return columns


def flops(**sizes):
    sizes = {"width": 32, "depth": 3, "input_size": 384} | sizes
    return describe_backbone("unet", **sizes).flops


def curves(axis):
    """Give the lines of more than a point's ring by label, as (x, y)."""
    return {
        line.get_label(): line.get_xydata() for line in axis.lines
        if line.get_markerfacecolor() != "none" and line.get_marker() in "os^Dv"
    }  # fmt: skip


def note(figure):
    return " ".join(figure._supxlabel.get_text().split())


def test_the_panels_of_a_whole_grid():
    figure = scaling_figure(grid(), title="A search")
    assert [axis.get_title() for axis in figure.axes] == [
        "model depth $d$", "model width $c_0$", "input size", "compound scaling",
    ]  # fmt: skip
    assert figure.axes[0].get_ylabel() == "mean IoU"
    assert {axis.get_xlabel() for axis in figure.axes} == {"FLOPs per patch"}
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}
    assert figure.get_suptitle() == "A search"
    assert len({axis.get_ylim() for axis in figure.axes}) == 1


def test_each_panel_varies_one_thing_from_the_baseline():
    columns = grid()
    figure = scaling_figure(columns)
    baseline = {"depth": 1, "width": 2, "input_size": 16}
    for axis, name in zip(figure.axes, SIZES, strict=False):
        (line,) = curves(axis).values()
        expected = [
            (flops(**baseline | {name: value}),
             0.7 + 0.01 * sum(map(math.log2, (baseline | {name: value}).values())))
            for value in SIZES[name]
        ]  # fmt: skip
        np.testing.assert_allclose(line, expected, rtol=1e-12)
        assert [text.get_text() for text in axis.texts] == [
            SIGNS[name].format(value) for value in SIZES[name]
        ]


def test_all_networks_stand_in_the_last_panel():
    axis = scaling_figure(grid()).axes[-1]
    found = curves(axis)
    assert set(found) == {f"{s}², $d$ = {d}" for s in SIZES["input_size"] for d in SIZES["depth"]}
    for size, depth in itertools.product(SIZES["input_size"], SIZES["depth"]):
        expected = [flops(width=w, depth=depth, input_size=size) for w in SIZES["width"]]
        np.testing.assert_allclose(found[f"{size}², $d$ = {depth}"][:, 0], expected)
    legend = [text.get_text() for text in axis.get_legend().get_texts()]
    assert legend[0] == "along a line:\n$c_0$ = 2, 4, 6"
    assert len(legend) == 5
    # no two lines look alike
    looks = {(line.get_color(), line.get_marker()) for line in axis.get_legend().legend_handles[1:]}
    assert len(looks) == 4


def test_bars_are_the_standard_error_over_folds():
    figure = scaling_figure(grid(width=[2, 4]))
    (axis,) = figure.axes
    (bars,) = axis.collections
    tops = np.array([segment[:, 1] for segment in bars.get_segments()])
    error = np.std([-0.015, -0.005, 0.005, 0.015], ddof=1) / 2
    np.testing.assert_allclose(np.diff(tops)[:, 0], 2 * error)
    assert "Bars: standard error over 4 folds." in note(figure)
    assert f"$c_0$ = 4: 0.7200 ± {error:.4f}." in note(figure)


def test_one_fold_has_no_bars():
    figure = scaling_figure(grid(folds=1, width=[2, 4]))
    assert not figure.axes[0].collections
    assert "One fold: no error known." in note(figure)
    assert "±" not in note(figure)


@pytest.mark.parametrize(
    ("axes", "titles"),
    [
        ({"width": [2, 4]}, ["model width $c_0$"]),
        ({"depth": [1, 2]}, ["model depth $d$"]),
        ({"input_size": [16, 32]}, ["input size"]),
        ({"width": [2, 4], "depth": [1, 2]},
         ["model depth $d$", "model width $c_0$", "compound scaling"]),
        ({"depth": [1, 2], "input_size": [16, 32]},
         ["model depth $d$", "input size", "compound scaling"]),
        ({"width": [2]}, ["all networks"]),
    ],
)  # fmt: skip
def test_partial_grids(axes, titles, tmp_path):
    figure = scaling_figure(grid(**axes), width=2, depth=1, input_size=16)
    assert [axis.get_title() for axis in figure.axes] == titles
    save_figure(figure, tmp_path / "partial.png", dpi=40)


def test_the_best_is_ringed_where_it_stands():
    columns = grid()
    best = flops(width=6, depth=2, input_size=32)
    for axis in (figure := scaling_figure(columns)).axes:
        rings = [line.get_xydata() for line in axis.lines if line.get_markerfacecolor() == "none"]
        assert [ring[0, 0] for ring in rings] == ([best] if axis is figure.axes[-1] else [])
    assert note(figure).startswith("Ringed: the best, $c_0$ = 6, $d$ = 2, 32²: 0.7858 ±")


def test_what_failed_is_named_and_not_drawn():
    columns = grid()
    columns["mean_test_score"][-1] = math.nan
    columns["split2_test_score"][-1] = math.nan
    figure = scaling_figure(columns)
    drawn = sum(len(line) for line in curves(figure.axes[-1]).values())
    assert drawn == 11
    assert "Without a score, and so not shown: $c_0$ = 6, $d$ = 2, 32²." in note(figure)


def test_the_baseline_is_the_cheapest_that_did_not_fail():
    columns = grid(width=[2, 4], depth=[1, 2])
    columns["mean_test_score"][:2] = math.nan  # width 2
    figure = scaling_figure(columns, input_size=16)
    assert [axis.get_title() for axis in figure.axes] == ["model depth $d$"]
    (line,) = curves(figure.axes[0]).values()
    assert line[:, 0].tolist() == [flops(width=4, depth=d, input_size=16) for d in (1, 2)]


def test_a_search_through_an_ensemble_or_a_pipeline():
    columns = grid(prefix="param_estimator__", width=[2, 4])
    assert [axis.get_title() for axis in scaling_figure(columns).axes] == ["model width $c_0$"]


def test_other_backbones_stand_beside(tmp_path):
    columns = {
        "param_backbone": ["unet", "unet", "smp:unet/resnet18"],
        "param_width": np.ma.MaskedArray([2, 4, None], mask=[False, False, True]),
        "mean_test_score": [0.7, 0.8, 0.9],
    }
    figure = scaling_figure(columns, depth=1, input_size=64)
    assert [axis.get_title() for axis in figure.axes] == ["model width $c_0$", "all networks"]
    found = curves(figure.axes[-1])
    assert list(found) == ["unet", "smp:unet/resnet18"]
    assert found["smp:unet/resnet18"].tolist() == [
        [describe_backbone("smp:unet/resnet18", input_size=64).flops, 0.9]
    ]
    assert "the best, smp:unet/resnet18: 0.9000." in note(figure)
    legend = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert legend == ["along a line:\n$c_0$ = 2, 4", "unet", "smp:unet/resnet18"]
    save_figure(figure, tmp_path / "others.png", dpi=40)


def test_of_further_parameters_the_best_counts():
    columns = grid(width=[2, 4], learning_rate=[1, 2])
    figure = scaling_figure(columns, depth=1, input_size=16)
    (line,) = curves(figure.axes[0]).values()
    assert len(line) == 2
    np.testing.assert_allclose(line[:, 1], columns["mean_test_score"][[1, 3]])
    columns["mean_test_score"][1] = math.nan  # of a candidate that failed the other one counts
    (line,) = curves(scaling_figure(columns, depth=1, input_size=16).axes[0]).values()
    np.testing.assert_allclose(line[:, 1], columns["mean_test_score"][[0, 3]])
    assert "Of each network the best over learning_rate." in note(figure)


def test_of_successive_halving_the_last_round_counts():
    columns = {
        "iter": [0, 0, 1], "n_resources": [10, 10, 30], "param_max_iter": [10, 10, 30],
        "param_width": [2, 4, 4], "mean_test_score": [0.85, 0.9, 0.8],
    }  # fmt: skip
    figure = scaling_figure(columns, depth=1, input_size=16)
    (line,) = curves(figure.axes[0]).values()
    assert line[:, 1].tolist() == [0.85, 0.8]
    assert "Ringed: the best, $c_0$ = 4: 0.8000." in note(figure)
    assert "Successive halving: what left early was trained for less." in note(figure)


def test_one_of_several_scorers():
    columns = grid(width=[2, 4])
    columns = {key.replace("test_score", "test_bone"): value for key, value in columns.items()}
    figure = scaling_figure(columns, score="bone")
    assert figure.axes[0].get_ylabel() == "bone"
    with pytest.raises(ParameterError, match="no mean_test_score; give one of the scores bone"):
        scaling_figure(columns)


def test_what_scikit_learn_really_gives():
    class Sized(DummyClassifier):
        def __init__(self, width=2, depth=1, strategy="prior"):
            super().__init__(strategy=strategy)
            self.width, self.depth = width, depth

    search = GridSearchCV(Sized(), {"width": [2, 4], "depth": [1, 2]}, cv=2)
    search.fit(np.zeros((8, 1)), [0, 1] * 4)
    figure = scaling_figure(search.cv_results_, input_size=16)
    assert len(figure.axes) == 3


def test_a_file_gives_the_same(tmp_path):
    columns = grid(width=[2, 4], depth=[1, 2])
    columns["mean_test_score"][3] = math.nan
    path = tmp_path / "search.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value != value else value for value in row])
    for one, other in zip(scaling_figure(path).axes, scaling_figure(columns).axes, strict=True):
        for line, twin in zip(one.lines, other.lines, strict=True):
            np.testing.assert_allclose(line.get_xydata(), twin.get_xydata())


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.csv does not exist"):
        scaling_figure(tmp_path / "none.csv")
    path = tmp_path / "search.csv"
    path.write_text("param_width,mean_test_score\nwide,0.5\n")
    with pytest.raises(FileFormatError, match=r"search\.csv, width: 'wide' is no number"):
        scaling_figure(path)
    path.write_text("param_width,mean_test_score\n2.5,0.5\n")
    with pytest.raises(FileFormatError, match=r"width: '2\.5' is no size"):
        scaling_figure(path)
    path.write_text("param_width,mean_test_score\n")
    with pytest.raises(ParameterError, match="holds no candidate"):
        scaling_figure(path)
    columns = grid(width=[2, 4])
    columns["mean_test_score"][:] = math.nan
    with pytest.raises(ParameterError, match="no candidate of the search has a score"):
        scaling_figure(columns)
