"""Slices of figures: what is written, what is read, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import ParameterError, UnknownNameError
from srseg.planes import standard_planes
from srseg.reports._figures.cuts import find_cuts

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (13, 16, 21)


class Counting:
    """An array that counts the voxels that are read of it, and the largest piece."""

    dtype = np.dtype(np.float32)

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.shape = array.shape
        self.read = self.largest = 0

    def __getitem__(self, region: Any) -> NDArray[Any]:
        found = self.array[region]
        self.read += found.size
        self.largest = max(self.largest, found.size)
        return found


@pytest.fixture
def voxels() -> NDArray[np.float32]:
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "plane", "index"),
    [("rc:0", "rc", 0), ("rc:12", "rc", 12), ("cp", "cp", 8), ("pr:50%", "pr", 10),
     ("pr:0%", "pr", 0), ("pr:100%", "pr", 20), (" cp:12.5% ", "cp", 2), ("rc@45c", "rc@45c", 10),
     ("cp@45p:3", "cp@45p", 3)],
)  # fmt: skip
def test_what_is_written(text, plane, index):
    (cut,) = find_cuts([text], SHAPE, rotated=True)
    assert (cut.plane.name, cut.index, cut.name) == (plane, index, f"{plane} {index}")


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["rc:13"], "slice 'rc:13': plane rc has slices 0 to 12 here"),
        (["rc:-1"], "slice 'rc:-1' is not PLANE:NUMBER; write rc:120, cp:50%"),
        (["rc:1.5"], "is not PLANE:NUMBER"),
        (["rc:101%"], "a slice at 101% lies outside of the volume"),
        (["rc:3", "rc:3"], "slice rc 3 is asked for twice"),
        (["rc@45c"], "this figure shows planes along the axes: rc, cp, pr"),
        ([], "no slice is asked for; name one"),
        ([""], "is not PLANE:NUMBER"),
    ],
)
def test_what_cannot_be(texts, says):
    with pytest.raises(ParameterError, match=says):
        find_cuts(texts, SHAPE, rotated=False)


def test_no_such_plane():
    with pytest.raises(UnknownNameError, match="no plane 'xy'; write rc, cp or pr"):
        find_cuts(["xy:3"], SHAPE, rotated=True)


@given(share=st.floats(0, 100).map(lambda v: f"{v:.3f}"), n=st.integers(1, 2000))
def test_a_share_is_a_slice_of_the_volume(share, n):
    (cut,) = find_cuts([f"rc:{share}%"], (n, 4, 4), rotated=False)
    assert 0 <= cut.index < n
    assert cut.index <= float(share) / 100 * n <= cut.index + 1 + 1e-9


@pytest.mark.parametrize(("name", "axis"), [("rc", 0), ("cp", 1), ("pr", 2)])
def test_only_the_slice_is_read(voxels, name, axis):
    source = Counting(voxels)
    volume = Volume(source, Grid(SHAPE, (5.0, 5.0, 5.0)))
    (cut,) = find_cuts([f"{name}:7"], SHAPE, rotated=False)
    wanted = voxels.take(7, axis)
    np.testing.assert_array_equal(cut.read(volume), wanted)
    assert source.read == wanted.size
    source.read = 0
    np.testing.assert_array_equal(cut.read(volume, (slice(2, 5), slice(1, 7))), wanted[2:5, 1:7])
    assert source.read == 18


@pytest.mark.parametrize("plane", standard_planes(9)[3:], ids=str)
@pytest.mark.parametrize("share", ["35%", "50%", "72%"])
def test_rotated_slices_are_those_that_a_network_sees(voxels, plane, share):
    """As scipy rotates the whole volume; outside of it there is nothing to show."""
    (cut,) = find_cuts([f"{plane}:{share}"], SHAPE, rotated=True)
    turned = [a for a in range(3) if a != plane.rotation_axis]
    # ones become the inside, which scipy fills with 0 around
    rotated, inside = (
        ndimage.rotate(v, plane.angle, (turned[1], turned[0]), order=1, cval=0).take(
            cut.index, plane.stacking
        )
        for v in (voxels, np.ones_like(voxels))
    )
    found = cut.read(Volume.from_array(voxels, 5.0))
    assert np.isfinite(found).all()
    kept = np.ix_(*(np.flatnonzero((inside > 0.999).any(axis=a)) for a in (1, 0)))
    assert found.shape == rotated[kept].shape
    np.testing.assert_allclose(found, rotated[kept], atol=2e-6)


@pytest.mark.parametrize("plane", standard_planes(9), ids=str)
def test_where_pixels_lie(plane):
    """A volume that holds its own coordinates shows those that corner and steps say."""
    for axis in range(3):
        ramp = np.broadcast_to(
            np.arange(SHAPE[axis], dtype=np.float32).reshape([-1 if a == axis else 1
                                                              for a in range(3)]), SHAPE
        )  # fmt: skip
        (cut,) = find_cuts([f"{plane}:55%"], SHAPE, rotated=True)
        image = cut.read(Volume.from_array(ramp, 5.0))
        first, down, right = cut.corners()[:, axis]
        rows, columns = np.indices(image.shape)
        np.testing.assert_allclose(image, first + rows * down + columns * right, atol=1e-4)
        (after,) = find_cuts([f"{plane}:{cut.index + 1}"], SHAPE, rotated=True)
        step = after.corners()[0] - cut.corners()[0]
        across = np.cross(cut.corners()[1], cut.corners()[2])
        assert step @ cut.direction() == pytest.approx(1)
        assert abs(across @ cut.direction()) == pytest.approx(1)


def test_rotated_labels_are_not_mixed():
    labels = np.random.default_rng(1).integers(0, 4, SHAPE, dtype=np.uint8)
    (cut,) = find_cuts(["rc@45c"], SHAPE, rotated=True)
    found = cut.read(Volume.from_array(labels, 5.0, table=DEFAULT_LABELS))
    assert found.dtype == np.uint8
    assert set(np.unique(found)) <= {0, 1, 2, 3}


def test_a_rotated_slice_reads_small_boxes():
    """Not the box around it, which is the whole volume."""
    array = np.broadcast_to(np.float32(1), (512, 64, 512))
    source = Counting(array)
    (cut,) = find_cuts(["rc@45r"], array.shape, rotated=True)
    assert cut.read(Volume(source, Grid(array.shape, (5.0, 5.0, 5.0)))).shape == (64, 722)
    assert source.largest < 0.02 * array.size
    assert source.read < 0.2 * array.size


def test_a_slice_at_the_edge():
    (cut,) = find_cuts(["rc@45c:0"], SHAPE, rotated=True)
    with pytest.raises(ParameterError, match=r"only touches an edge .* rc@45c:50%"):
        cut.read(Volume.from_array(np.zeros(SHAPE), 5.0))
