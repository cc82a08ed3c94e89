"""Planes against scipy's rotation, and the way back against closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from srseg.errors import ParameterError, UnknownNameError
from srseg.planes import Cut, Plane, resolve_planes, standard_planes

shapes = st.tuples(*[st.integers(2, 17)] * 3)
angles = st.sampled_from([45.0, 30.0, -12.5, 90.0, 135.0, 3.0])
oblique = st.sampled_from([(s, a) for s in range(3) for a in range(3) if s != a])


class Bits:
    """A ballot that keeps what is brought back, and counts how often."""

    torch_dtype = torch.int32

    def __init__(self, channels):
        self.channels = channels + 1

    def count(self, probabilities, axis):
        once = torch.ones_like(probabilities.narrow(axis, 0, 1), dtype=torch.int32)
        return torch.cat([probabilities.contiguous().view(torch.int32), once], dim=axis)


def back_to_voxels(plane, stack, shape, thickness):
    """Bring a stack of slices (n, K, H, W) back, and count how often each voxel is given."""
    edge = 64
    cut = Cut(plane, shape)
    ballot = Bits(stack.shape[1])
    record = torch.zeros((ballot.channels, edge, edge, edge), dtype=torch.int32)
    carry = None
    for slab in cut.slabs(thickness, 1):
        back = cut.back(slab, carry, [ballot], "cpu")
        for batch in slab.batches:
            part = stack[batch.start : batch.stop, :, batch.rows, batch.columns]
            back.put(batch, torch.from_numpy(np.ascontiguousarray(part)))
        carry = back.carry
        for tile in back.tiles(edge):
            assert tile == (0, 0, 0)
            back.add_to(back.parts[0], tile, record)
    values = record[(slice(None), *(slice(0, n) for n in shape))]
    assert (values[-1] == 1).all()
    return values[:-1].contiguous().view(torch.float32).numpy()


@settings(max_examples=60, deadline=None)
@given(shapes, angles, oblique, st.integers(0, 2**31))
def test_slices_equal_slicing_scipys_rotation(shape, angle, axes, seed):
    stacking, axis = axes
    volume = np.random.default_rng(seed).random(shape, dtype=np.float32)
    others = [a for a in range(3) if a != axis]

    def rotated(values):
        return np.moveaxis(
            ndimage.rotate(values, angle, axes=others, reshape=True, order=1, cval=0), stacking, 0
        )

    expected = rotated(volume.astype(np.float64))
    plane = Plane(stacking, axis, angle)
    got = plane.slices(volume)
    assert got.shape == expected.shape == plane.stack_shape(shape)
    # where a coordinate lies on the very edge, rounding decides in scipy whether it is outside
    decided = (rotated(np.ones(shape)) > 0.5) == (plane.slices(np.ones(shape, "f4")) > 0.5)
    assert decided.mean() > 0.9
    np.testing.assert_allclose(got[decided], expected[decided], atol=1e-5)


@pytest.mark.parametrize("axis", range(3))
def test_straight_planes_are_the_papers_slices(axis):
    volume = np.arange(60).reshape(3, 4, 5)
    stack = Plane(axis).slices(volume)
    expected = [volume[2, :, :], volume[:, 2, :], volume[:, :, 2]][axis]
    np.testing.assert_array_equal(stack[2], expected)


@settings(max_examples=60, deadline=None)
@given(shapes, angles, oblique, st.integers(1, 40))
def test_a_linear_ramp_comes_back_as_itself(shape, angle, axes, thickness):
    """An identity network: bilinear there and back keeps a ramp, with no half-voxel shift."""
    plane = Plane(axes[0], axes[1], angle)
    z, y, x = np.indices(shape, dtype=np.float32)
    ramp = 3 * z - 2 * y + x + 50
    stack = plane.slices(ramp)[:, None]
    back = back_to_voxels(plane, stack, shape, thickness)[0]
    # two voxels from the faces no slice pixel in use touches the fill
    inner = tuple(
        slice(None) if a == plane.rotation_axis or n < 5 else slice(2, n - 2)
        for a, n in enumerate(shape)
    )
    if all(n >= 5 for a, n in enumerate(shape) if a != plane.rotation_axis):
        np.testing.assert_allclose(back[inner], ramp[inner], atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from(standard_planes(9)), st.integers(1, 12))
def test_every_voxel_comes_back_once_and_constants_stay(shape, plane, thickness):
    """Any shape: odd, non-cubic, one voxel thin, thinner than a slab; weights add up to one."""
    count, height, width = plane.stack_shape(shape)
    stack = np.ones((count, 2, height, width), np.float32)
    stack[:, 1] = 7
    back = back_to_voxels(plane, stack, shape, thickness)
    np.testing.assert_allclose(back[0], 1, atol=1e-6)
    np.testing.assert_allclose(back[1], 7, atol=1e-5)


def test_the_way_back_is_scipys_interpolation_at_the_inverse_coordinates():
    """At sizes where rotated minus original is odd, and where it is even."""
    for size in (32, 33):
        shape = (3, size, size + 1)
        plane = Plane.from_name("cp@45p")
        count, height, width = plane.stack_shape(shape)
        stack = np.random.default_rng(0).random((count, 1, height, width), dtype=np.float32)
        rotated = stack[:, 0].transpose(1, 0, 2)  # (a, u, v)
        cosine = np.sqrt(0.5)
        b, c = np.indices(shape[1:]).astype(float)
        at_b, at_c = b - (shape[1] - 1) / 2, c - (shape[2] - 1) / 2
        u = cosine * (at_b - at_c) + (count - 1) / 2
        v = cosine * (at_b + at_c) + (width - 1) / 2
        expected = np.stack(
            [ndimage.map_coordinates(r, [u, v], order=1, mode="nearest") for r in rotated]
        )
        got = back_to_voxels(plane, stack, shape, 7)[0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_standard_planes_are_the_papers():
    assert [p.name for p in standard_planes(1)] == ["rc"]
    assert [p.name for p in standard_planes(3)] == ["rc", "cp", "pr"]
    assert len(set(standard_planes(9))) == 9


@pytest.mark.parametrize(
    "plane",
    [*standard_planes(9), Plane(2, 0, -12.5), Plane(0, 2, 12.3456789), Plane(0, 2, 1e-7)],
    ids=str,
)
def test_names_round_trip(plane):
    assert Plane.from_name(plane.name) == plane


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Plane.from_name("xy"), UnknownNameError, "rc, cp or pr"),
        (lambda: Plane.from_name("rc@45p"), ParameterError, "stacking axis"),
        (lambda: Plane(3), ParameterError, "0, 1 or 2"),
        (lambda: Plane(0, None, 45.0), ParameterError, "rotation_axis"),
        (lambda: standard_planes(4), ParameterError, "1, 3 and 9"),
        (lambda: resolve_planes([]), ParameterError, "at least one"),
        (lambda: resolve_planes("rc,rc"), ParameterError, "twice"),
        (lambda: resolve_planes("cp,rc@90c"), ParameterError, "cp and rc@90c cut the same"),
        (lambda: resolve_planes("rc@45c,rc@225c"), ParameterError, "same slices"),
        (lambda: resolve_planes("rc@45c,cp@-45c"), ParameterError, "same slices"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
