"""A sample with its slicing planes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import ParameterError
from srseg.planes import standard_planes
from srseg.reports import planes_figure, save_figure

SHAPE = (20, 24, 28)
COLORS = {"rc": "#d55e00", "cp": "#009e73", "pr": "#0072b2"}


@pytest.fixture
def scan() -> Volume:
    voxels = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    return Volume.from_array(voxels, 5.0)


def shown(figure, number, n=3):
    """Give the axes of a plane: the box, and the slice."""
    if n <= 3:
        return figure.axes[number], figure.axes[n + number]
    return figure.axes[2 * number], figure.axes[2 * number + 1]


def test_three_planes(scan):
    figure = planes_figure(scan, slices=["cp:7"])
    assert len(figure.axes) == 6
    for number, (name, axis, index) in enumerate((("rc", 0, 10), ("cp", 1, 7), ("pr", 2, 14))):
        box, flat = shown(figure, number)
        assert box.texts[0].get_text() == f"{name} {index}: slices across {'zyx'[axis]}"
        held = np.asarray(flat.images[0].get_array())
        times = held.shape[1] // (28, 28, 24)[number]
        picture = held[::times, ::times]
        inside = np.asarray(box.images[0].get_array())
        np.testing.assert_array_equal(picture, (inside * 255).round())
        image = scan.read().take(index, axis).astype(float)
        order = np.argsort(image, axis=None)
        values = picture[..., 0].ravel()[order].astype(int)
        assert (np.diff(values) >= 0).all()  # one window for all, so brighter stays brighter
        assert {to_hex(side.get_edgecolor()) for side in flat.spines.values()} == {COLORS[name]}


def test_lines_say_where_the_others_lie(scan):
    figure = planes_figure(scan, slices=["rc:3", "cp:7", "pr:19"])
    lies = {"rc": 3, "cp": 7, "pr": 19}
    # in each slice: the plane that a level line belongs to, and that of an upright one
    for number, (level, upright) in enumerate((("cp", "pr"), ("rc", "pr"), ("rc", "cp"))):
        _, flat = shown(figure, number)
        found = {}
        for line in flat.lines:
            (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
            if y0 == y1 and x0 == 0 and x1 == 1:  # across the whole panel
                found["level"] = (y0, to_hex(line.get_color()))
            elif x0 == x1:
                found["upright"] = (x0, to_hex(line.get_color()))
        assert found == {
            "level": (lies[level], COLORS[level]), "upright": (lies[upright], COLORS[upright])
        }  # fmt: skip


@pytest.mark.parametrize("voxel_size", [(5.0, 5.0, 5.0), (10.0, 5.0, 5.0)])
def test_a_slice_stands_where_it_lies(voxel_size):
    """Voxels are drawn where a projection of their places puts them."""
    ramp = np.zeros(SHAPE, np.float32)
    ramp[13, 5, 22] = 1
    scan = Volume(ramp, Grid(SHAPE, voxel_size))
    figure = planes_figure(scan, slices=["rc:13", "cp:5", "pr:22"])
    figure.draw_without_rendering()
    places = []
    for number in range(3):
        box, _ = shown(figure, number)
        image = box.images[0]
        bright = np.argwhere(np.asarray(image.get_array())[..., 0] > 0.5)
        ((row, column),) = bright.tolist()
        to_data = image.get_transform() - box.transData
        places.append(to_data.transform((column + 0.5, row + 0.5)))
        # the frame of the slice joins the corners of the picture
        height, width = image.get_array().shape[:2]
        corners = to_data.transform([(0, 0), (0, height), (width, height), (width, 0)])
        frame = next(li for li in box.lines if to_hex(li.get_color()) in COLORS.values())
        np.testing.assert_allclose(np.array(frame.get_xydata())[:4], corners, atol=1e-9)
    # the three slices cross in one voxel, which lies in one place on paper
    np.testing.assert_allclose(places[1:], [places[0], places[0]], atol=1e-9)


@pytest.mark.parametrize("name", ["rc", "cp", "pr"])
def test_the_arrow_leads_to_the_next_slices(scan, name):
    """Two figures: the frame of a later slice lies in the direction of the arrow."""
    number = list(COLORS).index(name)
    frames, arrows = [], []
    for index in (5, 15):
        box, _ = shown(planes_figure(scan, slices=[f"{name}:{index}"]), number)
        frame = next(li for li in box.lines if to_hex(li.get_color()) == COLORS[name])
        frames.append(np.array(frame.get_xydata())[:4].mean(axis=0))
        arrow = next(t for t in box.texts if hasattr(t, "arrow_patch") and not t.get_text())
        arrows.append(np.array(arrow.xy) - np.array(arrow.get_position()))
    moved = frames[1] - frames[0]
    cosine = moved @ arrows[0] / np.linalg.norm(moved) / np.linalg.norm(arrows[0])
    assert cosine == pytest.approx(1)


def test_nine_planes(scan):
    labels = Volume.from_array(
        np.random.default_rng(1).integers(0, 4, SHAPE, dtype=np.uint8), 5.0, table=DEFAULT_LABELS
    )
    figure = planes_figure(scan, labels, planes=9, title="nine")
    assert len(figure.axes) == 18
    for number, plane in enumerate(standard_planes(9)):
        box, flat = shown(figure, number, 9)
        assert box.texts[0].get_text().startswith(f"{plane.name} ")
        if plane.rotation_axis is not None:
            about = "zyx"[plane.rotation_axis]
            assert box.texts[0].get_text().endswith(f"\n45° about {about}")
        assert np.isfinite(np.asarray(flat.images[0].get_array())).all()
        # none is seen along its edge
        frame = next(li for li in box.lines if to_hex(li.get_color()) in COLORS.values())
        x, y = np.array(frame.get_xydata())[:4].T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        size = np.prod(box.images[0].get_array().shape[:2]) * 25
        assert area > 0.1 * size
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        c.name for c in DEFAULT_LABELS.foreground
    ]
    figure.draw_without_rendering()
    for axis in figure.axes:
        box = axis.get_tightbbox()
        if box is not None:
            assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1
            assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1


def test_any_planes_and_one_alone(scan):
    figure = planes_figure(scan, planes=["rc", "rc@30c"], slices=["rc@30c:40%"])
    assert len(figure.axes) == 4
    assert figure.axes[1].texts[0].get_text() == "rc@30c 11: slices across z, 30° about x"
    # a plane that is named by a slice alone is shown too
    assert len(planes_figure(scan, planes=["rc"], slices=["pr:3"]).axes) == 4
    assert len(planes_figure(scan, planes=1).axes) == 2


def test_the_picture(scan, tmp_path):
    """The frames are there in ink."""
    save_figure(planes_figure(scan), tmp_path / "planes.png", dpi=60)
    pixels = imread(tmp_path / "planes.png")[..., :3]
    for color in COLORS.values():
        wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels - wanted).max(axis=2) < 0.02).sum() > 50


def test_what_cannot_be_drawn(scan):
    with pytest.raises(ParameterError, match="slice 'rc:20': plane rc has slices 0 to 19"):
        planes_figure(scan, slices=["rc:20"])
    with pytest.raises(ParameterError, match="cut the same slices"):
        planes_figure(scan, planes=["rc", "cp@90c"])
    with pytest.raises(ParameterError, match="only touches an edge"):
        planes_figure(scan, planes=9, slices=["rc@45c:0"])
