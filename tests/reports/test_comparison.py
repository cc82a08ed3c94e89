"""The figure that shows labels of one scan beside each other."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from srseg import DEFAULT_LABELS, Grid, LabelTable, Volume
from srseg.errors import FileFormatError, GridError, LabelError, MissingFileError, ParameterError
from srseg.reports import comparison_figure, save_figure

SHAPE = (6, 8, 10)
OTHER, OURS, BOTH = "#009e73", "#d55e00", "#000000"


def volume(voxels, voxel_size=5.0, table=DEFAULT_LABELS):
    return Volume.from_array(np.asarray(voxels, np.uint8), voxel_size, table=table)


def empty(voxel_size):
    """Give a scan and labels of anisotropic voxels."""
    grid = Grid(SHAPE, voxel_size)
    return Volume(np.zeros(SHAPE, np.float32), grid), Volume(
        np.zeros(SHAPE, np.uint8), grid, table=DEFAULT_LABELS
    )


@pytest.fixture
def scan():
    voxels = np.random.default_rng(0).integers(100, 200, SHAPE).astype(np.float32)
    return Volume.from_array(voxels, 5.0)


@pytest.fixture
def sets():
    """Truth, WF and a prediction that differ at known voxels of the middle slice z = 3."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, 1:3, 1:4], truth[:, 4, 1:4], truth[:, 6, 1:4] = 1, 2, 3
    truth[3, 0, 9] = 255  # unlabelled: nobody can be wrong there
    wf, ours = truth.copy(), truth.copy()
    wf[3, 0, 9] = ours[3, 0, 9] = 1
    wf[3, 1, 1] = 0  # only WF is wrong
    ours[3, 1, 2] = 3  # only the prediction is wrong
    wf[3, 4, 1], ours[3, 4, 1] = 0, 1  # both are wrong, each in its way
    return {"WF": volume(wf), "truth": volume(truth), "ours": volume(ours)}


def draw(scan, sets, **options):
    return comparison_figure(scan, sets, truth="truth", prediction="ours", **options)


def pictures(figure, row=0, n=5):
    return {a.get_title(): np.asarray(a.images[0].get_array()) for a in figure.axes[row * n :][:n]}


def test_the_panels(scan, sets):
    figure = draw(scan, sets, other="WF", title="A phantom")
    assert len(figure.axes) == 10
    titles = ["scan", "WF", "truth", "ours", "errors"]
    assert [axis.get_title() for axis in figure.axes[:5]] == titles
    assert [figure.axes[i].get_ylabel() for i in (0, 5)] == ["plane rc", "plane cp"]
    assert figure.get_suptitle() == "A phantom"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "bone", "degradation layer", "residual material", "only WF is wrong", "only ours is wrong",
        "both are wrong",
    ]  # fmt: skip
    colors = [to_hex(patch.get_facecolor()) for patch in figure.legends[0].get_patches()]
    assert colors == [*(c.color for c in DEFAULT_LABELS.foreground), OTHER, OURS, BOTH]


@pytest.mark.parametrize(("plane", "axis"), [("rc", 0), ("cp", 1), ("pr", 2)])
def test_slices_are_the_middle_ones(scan, sets, plane, axis):
    shown = pictures(draw(scan, sets, planes=[plane]))
    middle = scan.read().take(SHAPE[axis] // 2, axis)
    low, high = np.percentile(middle, (0.5, 99.9))
    grey = np.clip((middle - low) / (high - low), 0, 1)
    np.testing.assert_allclose(shown["scan"], np.repeat(grey[..., None], 3, 2), atol=1e-12)
    labels = sets["truth"].read().take(SHAPE[axis] // 2, axis)
    assert shown["truth"].shape == (*labels.shape, 3)


def test_classes_have_the_colours_of_the_table(scan, sets):
    shown = pictures(draw(scan, sets, other="WF"))
    grey = shown["scan"]
    for name in ("WF", "truth", "ours"):
        labels = sets[name].read()[3]
        for c in DEFAULT_LABELS:
            where = labels == c.value
            rgb = np.array([int(c.color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
            wanted = 0.8 * grey if c.value == 0 else 0.35 * grey + 0.65 * rgb
            np.testing.assert_allclose(shown[name][where], wanted[where], atol=1e-12)


def marked(picture):
    """Give the pixels of each colour in a panel of errors."""
    hexes = np.apply_along_axis(to_hex, 2, picture)
    return {c: sorted(map(tuple, np.argwhere(hexes == c).tolist())) for c in (OTHER, OURS, BOTH)}


def test_errors_stand_where_they_are(scan, sets):
    shown = pictures(draw(scan, sets, other="WF"))["errors"]
    assert marked(shown) == {OTHER: [(1, 1)], OURS: [(1, 2)], BOTH: [(4, 1)]}
    alone = pictures(draw(scan, sets))["errors"]
    assert marked(alone) == {OTHER: [], OURS: [(1, 2), (4, 1)], BOTH: []}
    legend = [text.get_text() for text in draw(scan, sets).legends[0].get_texts()]
    assert legend[-1] == "ours is wrong"


@pytest.mark.parametrize(
    ("voxel_size", "texts"),
    [
        ((5.0, 5.0, 5.0), ["10 µm", "10 µm"]),
        ((4.0, 20.0, 300.0), ["500 µm", "20 µm"]),
        ((4.0, 2.0, 700.0), ["1 mm", "2 µm"]),
        ((90.0, 0.3, 3.0), ["5 µm", "0.5 µm"]),
    ],
)
def test_the_scale_bar_is_as_long_as_it_says(voxel_size, texts):
    """Columns of rc run along x; those of pr (rows z, columns y) along y."""
    scan, truth = empty(voxel_size)
    figure = comparison_figure(
        scan, {"truth": truth}, truth="truth", prediction="truth", planes=["rc", "pr"]
    )
    columns = ((0, voxel_size[2], SHAPE[2]), (3, voxel_size[1], SHAPE[1]))
    for (first, across, width), text in zip(columns, texts, strict=True):
        axis = figure.axes[first]
        assert axis.texts[0].get_text() == text
        assert len(axis.lines) == 2  # white on a black edge
        number, unit = text.split()
        length = float(number) * {"µm": 1, "mm": 1000}[unit]
        for line in axis.lines:
            left, right = line.get_xdata()
            assert (right - left) * across == pytest.approx(length)
            assert width / 12 < right - left <= width / 4
            assert -0.5 <= left < right <= width - 0.5
            bottom, top = axis.get_ylim()
            assert top < line.get_ydata()[0] < bottom


@pytest.mark.parametrize("voxel_size", [(5.0, 5.0, 5.0), (20.0, 5.0, 10.0)])
def test_pixels_have_the_shape_of_voxels(voxel_size):
    scan, truth = empty(voxel_size)
    figure = comparison_figure(
        scan, {"truth": truth}, truth="truth", prediction="truth", planes=["rc", "cp", "pr"]
    )
    figure.draw_without_rendering()
    assert {axis.get_xlim()[1] for axis in figure.axes} == {SHAPE[2] - 0.5, SHAPE[1] - 0.5}
    for row, (rows, columns) in enumerate(((1, 2), (0, 2), (0, 1))):
        box = figure.axes[3 * row].get_window_extent()
        wanted = SHAPE[rows] * voxel_size[rows] / (SHAPE[columns] * voxel_size[columns])
        assert box.height / box.width == pytest.approx(wanted, rel=1e-3)


def test_a_label_set_may_have_the_name_of_a_panel(scan, sets):
    figure = comparison_figure(
        scan, {"scan": sets["truth"], "errors": sets["ours"]}, truth="scan", prediction="errors"
    )
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert titles == ["scan", "scan", "errors", "errors"]


def test_voxels_that_are_not_numbers_are_black(sets):
    voxels = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    voxels[3, 7, 9] = np.nan
    shown = pictures(draw(Volume.from_array(voxels, 5.0), sets))
    np.testing.assert_array_equal(shown["scan"][7, 9], 0)


@pytest.mark.parametrize(("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"),
                                              (".pdf", b"%PDF"), (".PNG", b"\x89PNG")])  # fmt: skip
def test_saving(scan, sets, tmp_path, suffix, head):
    path = tmp_path / f"figure{suffix}"
    path.write_text("an old one")
    save_figure(draw(scan, sets, other="WF"), path)
    assert path.read_bytes().startswith(head)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_dots_per_inch(scan, sets, tmp_path):
    figure = draw(scan, sets)
    for dpi in (50, 100):
        save_figure(figure, tmp_path / f"{dpi}.png", dpi=dpi)
    small, large = (imread(tmp_path / f"{dpi}.png").shape for dpi in (50, 100))
    np.testing.assert_allclose(large[:2], np.array(small[:2]) * 2, atol=2)


def test_what_cannot_be_saved(scan, sets, tmp_path):
    figure = draw(scan, sets)
    with pytest.raises(FileFormatError, match=r"a\.bmp: figures are written as \.png, \.svg"):
        save_figure(figure, tmp_path / "a.bmp")
    with pytest.raises(MissingFileError, match="does not exist; make it"):
        save_figure(figure, tmp_path / "none" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn(scan, sets):
    with pytest.raises(ParameterError, match="no label set HQ, XX; given are WF, truth, ours"):
        comparison_figure(scan, sets, truth="HQ", prediction="XX", other="WF")
    with pytest.raises(ParameterError, match="figures show planes along the axes: rc, cp, pr"):
        draw(scan, sets, planes=["rc", "rc@45c"])
    shifted = volume(np.zeros(SHAPE), 6.0)
    with pytest.raises(GridError, match="label set late does not lie on the scan's grid"):
        draw(scan, sets | {"late": shifted})
    foreign = volume(np.zeros(SHAPE), table=LabelTable(DEFAULT_LABELS.classes[:3]))
    with pytest.raises(LabelError, match="label set foreign has another label table"):
        draw(scan, sets | {"foreign": foreign})
    bare = Volume.from_array(np.zeros(SHAPE, np.uint8), 5.0)
    with pytest.raises(ParameterError, match="label set truth has no label table"):
        draw(scan, sets | {"truth": bare})
