"""Label sets beside each other, and where they are wrong."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from srseg import DEFAULT_LABELS, Grid, LabelClass, LabelTable, Volume
from srseg.errors import GridError, LabelError, ParameterError
from srseg.reports import errors_figure, labels_figure, save_figure

SHAPE = (12, 14, 16)
BOX = (slice(2, 9), slice(3, 8), slice(4, 15))


def random_labels(seed: int, voxel_size: float = 5.0, shape=SHAPE, table=DEFAULT_LABELS) -> Volume:
    voxels = np.random.default_rng(seed).choice([0, 1, 2, 3, 255], shape).astype(np.uint8)
    return Volume.from_array(voxels, voxel_size, table=table)


@pytest.fixture
def scan() -> Volume:
    voxels = np.random.default_rng(9).integers(100, 900, SHAPE).astype(np.uint16)
    return Volume.from_array(voxels, 5.0)


@pytest.fixture
def sets() -> dict[str, Volume]:
    return {"HQ": random_labels(0), "WF": random_labels(1), "ours": random_labels(2)}


def picture(axis) -> np.ndarray:
    """Give what a panel shows, one number a voxel; it may be held larger, to stay sharp."""
    held = np.asarray(axis.images[0].get_array())
    left, right = axis.get_xlim()
    times = held.shape[1] // round(right - left)
    voxels = held[::times, ::times]
    np.testing.assert_array_equal(held, voxels.repeat(times, 0).repeat(times, 1))
    return voxels / 255 if voxels.ndim == 3 else voxels


def legends(figure) -> dict[str, str]:
    return {
        text.get_text(): to_hex(patch.get_facecolor())
        for legend in figure.legends
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }


def texts(figure) -> list[str]:
    return [text.get_text() for text in heads(figure)]


def heads(figure) -> list:
    return [text for text in figure.texts if text is not figure._suptitle]


def overlay(grey: np.ndarray, labels: np.ndarray) -> np.ndarray:
    wanted = 0.8 * grey
    for c in DEFAULT_LABELS.foreground:
        wanted[labels == c.value] = (0.35 * grey + 0.65 * np.array(c.rgb) / 255)[labels == c.value]
    wanted[labels == 255] = (0.35 * grey + 0.65)[labels == 255]
    return wanted


class TestLabels:
    def test_rows_and_columns(self, scan, sets):
        figure = labels_figure(scan, sets, slices=["rc:5", "pr:3"], boxes=[BOX], title="A screw")
        assert texts(figure) == ["scan", "HQ", "WF", "ours"]
        assert figure.get_suptitle() == "A screw"
        # the box holds rc 5, and not pr 3
        beside = [" ".join(figure.axes[i].texts[0].get_text().split()) for i in (0, 4, 8)]
        assert beside == [
            "rc 5 y down, x right", "rc 5, box 1 y down, x right", "pr 3 z down, y right"
        ]  # fmt: skip
        assert len(figure.axes) == 12
        assert legends(figure) == {
            "bone": "#56b4e9", "degradation layer": "#e69f00", "residual material": "#cc79a7",
            "unlabelled": "#d9d9d9",
        }  # fmt: skip

    @pytest.mark.parametrize(("plane", "axis"), [("rc", 0), ("cp", 1), ("pr", 2)])
    def test_what_the_panels_show(self, scan, sets, plane, axis):
        figure = labels_figure(scan, sets, slices=[f"{plane}:6"])
        image = scan.read().take(6, axis).astype(float)
        low, high = np.percentile(image, (0.5, 99.9))
        grey = np.repeat(np.clip((image - low) / (high - low), 0, 1)[..., None], 3, 2)
        np.testing.assert_allclose(picture(figure.axes[0]), grey, atol=0.0021)
        for panel, volume in zip(figure.axes[1:], sets.values(), strict=True):
            wanted = overlay(grey, volume.read().take(6, axis))
            np.testing.assert_allclose(picture(panel), wanted, atol=0.0021)

    def test_a_box_is_framed_where_it_is_and_enlarged(self, scan, sets):
        figure = labels_figure(scan, sets, slices=["cp:5"], boxes=[BOX])
        whole, large = figure.axes[1], figure.axes[5]
        np.testing.assert_array_equal(picture(large), picture(whole)[2:9, 4:15])
        # the same grey values are black and white
        np.testing.assert_array_equal(picture(figure.axes[4]), picture(figure.axes[0])[2:9, 4:15])
        frames = [p.get_bbox() for p in figure.axes[0].patches if isinstance(p, Rectangle)]
        assert {(b.x0, b.x1, b.y0, b.y1) for b in frames} == {(3.5, 14.5, 1.5, 8.5)}
        assert "1" in [text.get_text() for text in figure.axes[0].texts]

    def test_labels_on_another_grid_are_brought_to_the_scan(self, scan):
        coarse = random_labels(3, voxel_size=10.0, shape=(6, 7, 8))
        coarse = Volume(coarse.source, scan.grid.resampled(10.0), table=DEFAULT_LABELS)
        figure = labels_figure(scan, {"coarse": coarse}, slices=["rc:7"])
        same = Volume.from_array(
            coarse.read().repeat(2, 0).repeat(2, 1).repeat(2, 2), 5.0, table=DEFAULT_LABELS
        )
        wanted = labels_figure(scan, {"coarse": same}, slices=["rc:7"])
        np.testing.assert_array_equal(picture(figure.axes[1]), picture(wanted.axes[1]))

    def test_the_grid_of_labels(self, scan):
        """Slices are counted in its voxels, and the scan is interpolated there."""
        grid = scan.grid.resampled(10.0)
        coarse = Volume(random_labels(3, 10.0, (6, 7, 8)).source, grid, table=DEFAULT_LABELS)
        figure = labels_figure(scan, {"coarse": coarse}, slices=["rc:5"], grid=grid)
        assert picture(figure.axes[0]).shape == (7, 8, 3)
        means = scan.read().reshape(6, 2, 7, 2, 8, 2).mean(axis=(1, 3, 5))[5]
        low, high = np.percentile(means, (0.5, 99.9))
        wanted = np.clip((means - low) / (high - low), 0, 1)
        np.testing.assert_allclose(picture(figure.axes[0])[..., 0], wanted, atol=0.0021)
        with pytest.raises(ParameterError, match="plane rc has slices 0 to 5 here"):
            labels_figure(scan, {"coarse": coarse}, slices=["rc:6"], grid=grid)

    @pytest.mark.parametrize("voxel_size", [(5.0, 5.0, 5.0), (20.0, 5.0, 10.0)])
    def test_pixels_have_the_shape_of_voxels(self, voxel_size):
        grid = Grid(SHAPE, voxel_size)
        scan = Volume(np.zeros(SHAPE, np.float32), grid)
        labels = Volume(np.zeros(SHAPE, np.uint8), grid, table=DEFAULT_LABELS)
        figure = labels_figure(scan, {"A": labels}, slices=["rc", "cp", "pr"])
        figure.draw_without_rendering()
        for row, (rows, columns) in enumerate(((1, 2), (0, 2), (0, 1))):
            box = figure.axes[2 * row].get_window_extent()
            wanted = SHAPE[rows] * voxel_size[rows] / (SHAPE[columns] * voxel_size[columns])
            assert box.height / box.width == pytest.approx(wanted, rel=1e-3)

    @pytest.mark.parametrize(("width", "n"), [(3.2, 1), (3.2, 4), (7.09, 4), (12.0, 4)])
    def test_nothing_reaches_out_or_overlaps(self, scan, sets, width, n):
        """Names, bars and legends at the width of a journal's column, and of a poster."""
        names = ["HQ", "WF", "srseg-wholebody/soft9", "another very long name of a label set"]
        shown = {name: random_labels(i) for i, name in enumerate(names[:n])}
        figure = errors_figure(
            scan, {"truth": random_labels(8), **shown}, truth="truth", slices=["rc", "cp"],
            maps={"disagreement": scan_of_zeros()}, width=width, title="A title of some length",
        )  # fmt: skip
        figure.draw_without_rendering()
        whole = figure.bbox
        blocks = [t.get_window_extent() for t in (*figure.texts, *figure.legends)]
        blocks += [axis.get_tightbbox() for axis in figure.axes]
        for block in blocks:
            assert whole.x0 - 1 <= block.x0 <= block.x1 <= whole.x1 + 1
            assert whole.y0 - 1 <= block.y0 <= block.y1 <= whole.y1 + 1
        extents = [head.get_window_extent() for head in heads(figure)]
        for left, right in itertools.pairwise(extents):
            assert left.x1 <= right.x0 + 2
        lowest = min(axis.get_tightbbox().y0 for axis in figure.axes)
        highest = max(legend.get_window_extent().y1 for legend in figure.legends)
        assert highest <= lowest + 1
        assert {head.get_fontsize() for head in heads(figure)} == {7.0}

    def test_a_scan_that_reaches_less_far(self, sets):
        """Where it saw nothing it is black; nothing at all is black too."""
        part = Volume(np.full((12, 4, 16), np.nan, np.float32), Grid((12, 4, 16), (5.0,) * 3))
        figure = labels_figure(part, sets, slices=["rc"], grid=sets["HQ"].grid)
        assert not picture(figure.axes[0]).any()

    def test_what_cannot_be_drawn(self, scan, sets):
        far = Volume(sets["HQ"].source, Grid(SHAPE, (5.0,) * 3, (1e4, 0, 0)), table=DEFAULT_LABELS)
        with pytest.raises(GridError, match="label set far: the label volume and the grid"):
            labels_figure(scan, {"far": far})
        foreign = random_labels(1, table=LabelTable(DEFAULT_LABELS.classes[:3]))
        with pytest.raises(LabelError, match="label set foreign has another label table"):
            labels_figure(scan, sets | {"foreign": foreign})
        bare = Volume.from_array(np.zeros(SHAPE, np.uint8), 5.0)
        with pytest.raises(ParameterError, match="label set bare has no label table"):
            labels_figure(scan, {"bare": bare})
        with pytest.raises(ParameterError, match="no labels are given"):
            labels_figure(scan, {})
        broken = Volume.from_array(np.full(SHAPE, 7, np.uint8), 5.0, table=DEFAULT_LABELS)
        with pytest.raises(LabelError, match="label set broken: value 7 is not in the label"):
            labels_figure(scan, {"broken": broken})
        with pytest.raises(ParameterError, match=r"slices rc 1 goes through the box 2:9,3:8,4:15"):
            labels_figure(scan, sets, slices=["rc:1"], boxes=[BOX])
        for box in ((slice(0, 13), slice(0, 4), slice(0, 4)), (slice(3, 3), BOX[1], BOX[2])):
            with pytest.raises(ParameterError, match="does not lie in a volume of 12 x 14 x 16"):
                labels_figure(scan, sets, boxes=[box])


def scan_of_zeros() -> Volume:
    return Volume.from_array(np.zeros(SHAPE, np.float32), 5.0)


class TestErrors:
    def confusions(self, sets, name, index=5):
        true, found = (sets[n].read()[index].ravel().tolist() for n in ("HQ", name))
        pairs = zip(true, found, strict=True)
        return Counter(pair for pair in pairs if 255 not in pair)

    def test_colours_say_what_is_taken_for_what(self, scan, sets):
        figure = errors_figure(scan, sets, truth="HQ", slices=["rc:5"])
        counts = self.confusions(sets, "WF") + self.confusions(sets, "ours")
        wrong = [pair for pair, _ in counts.most_common() if pair[0] != pair[1]]
        names = dict(zip(DEFAULT_LABELS.values, DEFAULT_LABELS.names, strict=True))
        entries = legends(figure)
        told = {
            (a, b): entries[f"{names[a]} taken for {names[b]}"]
            for a, b in wrong
            if f"{names[a]} taken for {names[b]}" in entries
        }
        assert len(told) == 5
        assert min(counts[p] for p in told) >= max(counts[p] for p in wrong if p not in told)
        assert entries["taken for another class, rarer"] == "#000000"
        assert entries["not judged"] == "#ffffff"
        # none is a colour of the classes in the picture beside
        assert len({*told.values(), *(c.color for c in DEFAULT_LABELS)}) == 5 + 4
        for number, name in ((2, "WF"), (3, "ours")):
            hexes = np.apply_along_axis(to_hex, 2, picture(figure.axes[number]))
            true, found = sets["HQ"].read()[5], sets[name].read()[5]
            for place in np.ndindex(true.shape):
                pair = (int(true[place]), int(found[place]))
                if 255 in pair:
                    assert hexes[place] == "#ffffff"
                elif pair[0] != pair[1]:
                    assert hexes[place] == told.get(pair, "#000000")
                else:
                    assert len({hexes[place][i : i + 2] for i in (1, 3, 5)}) == 1  # grey

    def test_how_much_is_wrong(self, scan, sets):
        figure = errors_figure(scan, sets, truth="HQ", slices=["rc:5"], boxes=[BOX])
        for name in ("WF", "ours"):
            counts = self.confusions(sets, name)
            share = sum(n for (a, b), n in counts.items() if a != b) / counts.total()
            assert f"{name}\n{share:.1%} wrong" in texts(figure)

    def test_disagreement_stands_beside(self, scan, sets):
        values = np.random.default_rng(3).random((6, 7, 8)).astype(np.float32)
        coarse = Volume(values, scan.grid.resampled(10.0))
        figure = errors_figure(
            scan, sets, truth="HQ", slices=["rc:5"], maps={"entropy": coarse}, boxes=[BOX]
        )
        assert texts(figure)[-1] == "entropy"
        shown, bar = figure.axes[4], figure.axes[-1]
        assert shown.images[0].get_clim() == (0, 1)
        assert bar.get_xlabel() == "entropy"
        # between two coarse voxels, a quarter of the way
        wanted = 0.75 * values[2, 0, 0] + 0.25 * values[3, 0, 0]
        assert picture(shown)[0, 0] == pytest.approx(wanted, abs=1e-6)
        np.testing.assert_array_equal(picture(figure.axes[9]), picture(shown)[BOX[1], BOX[2]])

    def test_nothing_is_wrong(self, scan, sets):
        figure = errors_figure(scan, {"HQ": sets["HQ"], "same": sets["HQ"]}, truth="HQ")
        assert "same\n0.0% wrong" in texts(figure)
        assert not any("taken for" in entry for entry in legends(figure))

    def test_nothing_is_judged(self, scan, sets):
        empty = Volume.from_array(np.full(SHAPE, 255, np.uint8), 5.0, table=DEFAULT_LABELS)
        figure = errors_figure(scan, {"HQ": empty, "WF": sets["WF"]}, truth="HQ")
        assert "WF\nnothing is judged" in texts(figure)

    def test_a_table_with_many_colours(self, scan):
        """Fewer colours are left for the errors than there are kinds of them."""
        colors = ["#000000", "#d55e00", "#0072b2", "#009e73"]
        table = LabelTable(
            LabelClass(value, f"c{value}", color=color) for value, color in enumerate(colors)
        )
        sets = {"HQ": random_labels(0, table=table), "WF": random_labels(1, table=table)}
        figure = errors_figure(scan, sets, truth="HQ")
        used = [color for entry, color in legends(figure).items() if "taken for" in entry]
        assert len(used) == 6
        assert not set(used[:-1]) & set(colors)

    def test_what_cannot_be_drawn(self, scan, sets):
        with pytest.raises(ParameterError, match="no label set XX; given are HQ, WF, ours"):
            errors_figure(scan, sets, truth="XX")
        with pytest.raises(ParameterError, match="there is nothing to compare with HQ"):
            errors_figure(scan, {"HQ": sets["HQ"]}, truth="HQ")


@pytest.mark.parametrize(("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"),
                                              (".pdf", b"%PDF")])  # fmt: skip
def test_saving(scan, sets, tmp_path, suffix, head):
    path = tmp_path / f"figure{suffix}"
    save_figure(labels_figure(scan, sets), path, dpi=60)
    assert path.read_bytes().startswith(head)


def test_letters_of_a_pdf_stay_letters(scan, sets, tmp_path):
    save_figure(labels_figure(scan, sets), tmp_path / "figure.pdf", dpi=60)
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/TrueType" in content or b"/CIDFontType2" in content
    assert b"/Type3" not in content
