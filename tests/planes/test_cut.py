"""Cutting slab by slab and bringing back, against whole arrays in float64."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, special

from srseg.planes import Cut, Plane, standard_planes

NINE = standard_planes(9)
OTHERS = (Plane(1, 2, -30.0), Plane(0, 1, 90.0), Plane(2, 0, 3.0), Plane(0, 2, 135.0))
shapes = st.tuples(*[st.integers(1, 15)] * 3)
planes = st.sampled_from([*NINE, *OTHERS])


class Shares:
    """A ballot that counts thousandths."""

    channels = 2
    torch_dtype = torch.int16

    def count(self, probabilities, axis):
        return (probabilities.narrow(axis, 1, 2) * 1000 + 0.5).to(torch.int16)


def pixelwise(slices):
    """Three classes by a bumpy function of the grey value."""
    x = np.asarray(slices, np.float64)
    logits = np.stack([3 * np.sin(9 * x), 4 * x**2 - 1, 2 * np.cos(5 * x)], axis=1)
    return special.softmax(logits, axis=1)


def through(cut, volume, predict, *, thickness, batch, edge=32, ballots=None):
    """Give the sums of votes (channels, Z, Y, X), and every batch of slices that was cut."""
    ballots = ballots or [Shares()]
    volume = volume.copy()
    seen = np.zeros(volume.shape, int)
    tiles = [-(-n // edge) for n in volume.shape]
    records = [
        torch.zeros((*tiles, b.channels, edge, edge, edge), dtype=b.torch_dtype) for b in ballots
    ]
    times = torch.zeros((*tiles, 1, edge, edge, edge), dtype=torch.int16)
    shown = []

    def read(region):
        seen[region] += 1
        return volume[region]

    carry = None
    for slab in cut.slabs(thickness, batch):
        seen[:] = 0
        lines = cut.read(slab, read, "cpu")
        assert seen.max() <= 1
        back = cut.back(slab, carry, ballots, "cpu")
        for each in slab.batches:
            slices = lines.slices(each)
            assert slices.is_contiguous()
            assert slices.shape == each.size
            shown.append((each, slices.numpy().copy()))
            back.put(each, torch.as_tensor(predict(slices), dtype=torch.float32))
        carry = back.carry
        found = back.tiles(edge)
        assert found == sorted(set(found))
        for part, record in zip(back.parts, records, strict=True):
            assert part.numel() <= cut.voxels(slab) * record.shape[3]
            for tile in found:
                back.add_to(part, tile, record[tile])
        for tile in found:
            back.add_to(torch.ones_like(back.parts[0][:1]), tile, times[tile])
    whole = [to_volume(record, volume.shape) for record in (*records, times)]
    return whole, shown


def to_volume(record, shape):
    z, y, x, channels, edge = record.shape[:5]
    volume = record.permute(3, 0, 4, 1, 5, 2, 6).reshape(channels, z * edge, y * edge, x * edge)
    assert not volume[:, shape[0] :].any()
    assert not volume[:, :, shape[1] :].any()
    assert not volume[..., shape[2] :].any()
    return volume[:, : shape[0], : shape[1], : shape[2]].numpy()


def at(values, first, second, *, fill):
    """Interpolate (…, U, V) bilinearly; outside, 0 (fill) or what is nearest."""
    shape = values.shape[-2:]
    inside = np.ones(first.shape, bool)
    coordinates = []
    for c, n in zip((first, second), shape, strict=True):
        # a corner of the volume may lie on a pixel, where rounding must not decide
        inside &= (c > -1e-9) & (c < n - 1 + 1e-9)
        coordinates.append(np.clip(c, 0, n - 1))
    flat = values.reshape(-1, *shape)
    found = [ndimage.map_coordinates(v, coordinates, order=1) for v in flat]
    if fill:
        found = [v * inside for v in found]
    return np.reshape(found, (*values.shape[:-2], *first.shape))


def by_plane(predict, image, plane, stride=1):
    """Give what one plane says, (K, Z, Y, X), by rotating the whole volume there and back."""
    volume = image.astype(np.float64)
    others = None
    if plane.rotation_axis is not None:
        others = [a for a in range(3) if a != plane.rotation_axis]
        radians = np.deg2rad(plane.angle)
        matrix = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
        matrix[abs(matrix) < 1e-15] = 0
        lines = np.moveaxis(volume, plane.rotation_axis, 0)
        size = np.array(lines.shape[1:])
        turned = np.maximum((abs(matrix) @ size + 0.5).astype(int), 1)
        middle, turned_middle = (size - 1) / 2, (turned - 1) / 2

        def mapped(transform, shape, start, end):
            index = np.indices(shape).reshape(2, -1).astype(float) - start[:, None]
            return (transform @ index + end[:, None]).reshape(2, *shape)

        volume = at(lines, *mapped(matrix, turned, turned_middle, middle), fill=True)
        volume = np.moveaxis(volume, 0, plane.rotation_axis)
    stack = np.moveaxis(volume, plane.stacking, 0)
    _, height, width = stack.shape
    padded = np.pad(stack, [(0, 0), (0, -height % stride), (0, -width % stride)])
    stack = np.asarray(predict(padded))[:, :, :height, :width]
    back = np.moveaxis(np.moveaxis(stack, 0, 1), 1, plane.stacking + 1)
    if others is None:
        return back
    lines = np.moveaxis(back, plane.rotation_axis + 1, 1)
    lines = at(lines, *mapped(matrix.T, size, middle, turned_middle), fill=False)
    return np.moveaxis(lines, 1, plane.rotation_axis + 1)


@settings(max_examples=150, deadline=None)
@given(
    shapes, planes, st.integers(1, 4), st.integers(1, 5), st.sampled_from([None, 1, 3]),
    st.sampled_from([1, 2, 4]), st.integers(0, 2**31),
)  # fmt: skip
def test_each_plane_equals_the_whole_array(shape, plane, batch, batches, reach, stride, seed):
    """Any shape: odd, even, one voxel thin; any thickness, with and without trimming."""
    image = np.random.default_rng(seed).random(shape, dtype=np.float32)
    cut = Cut(plane, shape, stride=stride, reach=reach)
    (votes, times), _ = through(cut, image, pixelwise, thickness=batch * batches, batch=batch)
    assert (times == 1).all()
    expected = by_plane(pixelwise, image, plane)[1:] * 1000
    np.testing.assert_allclose(votes, expected, atol=0.52, rtol=0)
