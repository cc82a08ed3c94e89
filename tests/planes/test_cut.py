"""Cutting slab by slab and bringing back, against whole arrays in float64."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_array import by_plane, pixelwise

from srseg.backbones import create_backbone
from srseg.errors import ParameterError
from srseg.planes import WANTED, Cut, Plane, standard_planes
from srseg.planes._tiles import add_points, add_runs, runs_by_tile

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


class Winners:
    """A ballot in bytes."""

    channels = 2
    torch_dtype = torch.uint8

    def count(self, probabilities, axis):
        return (probabilities.narrow(axis, 1, 2) > 0.5).to(torch.uint8)


class Times:
    """A ballot that counts how often a voxel gets votes."""

    channels = 1
    torch_dtype = torch.int16

    def count(self, probabilities, axis):
        return torch.ones_like(probabilities.narrow(axis, 1, 1), dtype=torch.int16)


class Bits:
    """A ballot that keeps the bits of what was interpolated."""

    channels = 3
    torch_dtype = torch.int32

    def count(self, probabilities, axis):
        return probabilities.contiguous().view(torch.int32)


BALLOTS = (Shares(), Winners(), Times(), Bits())


def through(cut, volume, predict, *, thickness, batch, edge=32):
    """Give the votes (channels, Z, Y, X) of each ballot, slab by slab."""
    tiles = [-(-n // edge) for n in volume.shape]
    records = [
        torch.zeros((*tiles, b.channels, edge, edge, edge), dtype=b.torch_dtype) for b in BALLOTS
    ]
    carry = None
    for slab in cut.slabs(thickness, batch):
        lines = cut.read(slab, volume.__getitem__, "cpu")
        back = cut.back(slab, carry, BALLOTS, "cpu")
        for each in slab.batches:
            slices = lines.slices(each)
            assert slices.is_contiguous()
            assert slices.shape == each.size
            back.put(each, torch.as_tensor(predict(slices), dtype=torch.float32))
        carry = back.carry
        found = back.tiles(edge)
        assert found == sorted(set(found))
        for part, record in zip(back.parts, records, strict=True):
            assert part.numel() <= cut.voxels(slab) * record.shape[3]
            for tile in found:
                back.add_to(part, tile, record[tile])
    return [to_volume(record, volume.shape) for record in records]


def to_volume(record, shape):
    z, y, x, channels, edge = record.shape[:5]
    volume = record.permute(3, 0, 4, 1, 5, 2, 6).reshape(channels, z * edge, y * edge, x * edge)
    assert not volume[:, shape[0] :].any()
    assert not volume[:, :, shape[1] :].any()
    assert not volume[..., shape[2] :].any()
    return volume[:, : shape[0], : shape[1], : shape[2]].numpy()


def of_voxels(mask, shape):
    """Give a mask of blocks voxel by voxel."""
    z, y, x = (np.arange(n) // WANTED for n in shape)
    return mask[np.ix_(z, y, x)]


@settings(max_examples=100, deadline=None)
@given(
    shapes, planes, st.integers(1, 4), st.integers(1, 5), st.sampled_from([None, 1, 3]),
    st.sampled_from([1, 2, 4]), st.integers(0, 2**31),
)  # fmt: skip
def test_each_plane_equals_the_whole_array(shape, plane, batch, batches, reach, stride, seed):
    """Any shape: odd, even, one voxel thin; any slabs, with and without trimming."""
    image = np.random.default_rng(seed).random(shape, dtype=np.float32)
    cut = Cut(plane, shape, stride=stride, reach=reach)
    votes, winners, times, _ = through(
        cut, image, pixelwise, thickness=batch * batches, batch=batch, edge=16
    )
    assert (times == 1).all()
    expected = by_plane(pixelwise, image, plane)[1:]
    np.testing.assert_allclose(votes, expected * 1000, atol=0.52, rtol=0)
    clear = abs(expected - 0.5) > 1e-4
    np.testing.assert_array_equal(winners[clear], expected[clear] > 0.5)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 36)] * 3), planes, st.integers(1, 4), st.integers(1, 20),
    st.sampled_from([None, 1, 5]), st.floats(0, 1), st.integers(0, 2**31),
)  # fmt: skip
def test_only_wanted_voxels_get_votes_and_the_same(
    shape, plane, batch, batches, reach, share, seed
):
    rng = np.random.default_rng(seed)
    image = rng.random(shape, dtype=np.float32)
    wanted = rng.random([-(-n // WANTED) for n in shape]) < share
    everywhere = Cut(plane, shape, stride=4)
    cut = Cut(plane, shape, stride=4, reach=reach, wanted=wanted)
    assert cut.pixels(batch) <= everywhere.pixels(batch)
    expected = through(everywhere, image, pixelwise, thickness=200 * batch, batch=batch)
    got = through(cut, image, pixelwise, thickness=batch * batches, batch=batch)
    for there, here in zip(expected, got, strict=True):
        np.testing.assert_array_equal(here, there * of_voxels(wanted, shape))


@pytest.mark.parametrize("plane", [*NINE, *OTHERS], ids=str)
def test_slices_are_those_of_the_whole_volume(plane):
    shape = (70, 37, 52)
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    whole = plane.slices(image)
    cut = Cut(plane, shape, stride=8, reach=4)
    padded = np.pad(whole, [(0, 0), (0, -whole.shape[1] % 8), (0, -whole.shape[2] % 8)])
    trimmed = False
    for slab in cut.slabs(20, 2):
        lines = cut.read(slab, image.__getitem__)
        for batch in slab.batches:
            expected = padded[batch.start : batch.stop, batch.rows, batch.columns]
            trimmed |= expected.shape[1:] != padded.shape[1:]
            np.testing.assert_array_equal(lines.slices(batch).numpy(), expected)
    assert trimmed == (plane.angle % 90 > 3)


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=3, width=4, depth=2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(list(network.parameters())[-2], std=1.0)
    network.eval()

    def predict(slices):
        # torch's convolution of one slice alone may round otherwise, by its size
        both = torch.cat([slices, slices])[:, None]
        with torch.inference_mode():
            return network(both).softmax(1)[: len(slices)]

    return network, predict


@pytest.mark.parametrize("shape", [(62, 7, 69), (9, 70, 55), (64, 66, 8)], ids=str)
def test_trimming_changes_no_bit(unet, shape):
    """A U-Net sees all that has an influence on a voxel: 0 difference in float32, nine planes."""
    network, predict = unet
    rng = np.random.default_rng(0)
    image = rng.random(shape, dtype=np.float32)
    wanted = rng.random([-(-n // WANTED) for n in shape]) < 0.3
    pixels = np.zeros(3, int)
    for plane in NINE:
        # sizes of which vectors are filled: torch rounds what is left over otherwise
        whole = Cut(plane, shape, stride=8)
        cut = Cut(plane, shape, stride=8, reach=network.reach)
        masked = Cut(plane, shape, stride=8, reach=network.reach, wanted=wanted)
        pixels += [each.pixels(2) for each in (whole, cut, masked)]
        *_, expected = through(whole, image, predict, thickness=16, batch=2)
        *_, got = through(cut, image, predict, thickness=8, batch=2)
        np.testing.assert_array_equal(got, expected)
        *_, got = through(masked, image, predict, thickness=8, batch=2)
        np.testing.assert_array_equal(got, expected * of_voxels(wanted, shape))
    assert pixels[0] > pixels[1] > pixels[2]


def test_a_reach_too_short_would_be_noticed(unet):
    network, predict = unet
    shape = (40, 37, 8)
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    plane = Plane.from_name("rc@45c")
    expected, got = (
        through(Cut(plane, shape, stride=8, reach=reach), image, predict, thickness=8, batch=2)[-1]
        for reach in (network.reach, 6)
    )
    assert (expected != got).mean() > 1e-3


@settings(max_examples=30, deadline=None)
@given(shapes, planes, st.integers(1, 4), st.integers(1, 6))
def test_slabs_and_the_layout_of_probabilities_change_no_bit(shape, plane, batch, batches):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)

    def rowwise(slices):  # what a pixel is depends on its row
        return pixelwise((slices + slices.roll(1, 2)) / 2)

    def channels_last(slices):
        return torch.as_tensor(rowwise(slices)).to(memory_format=torch.channels_last)

    cut = Cut(plane, shape, stride=2, reach=2)
    expected = through(cut, image, rowwise, thickness=200 * batch, batch=batch)
    for predict in (rowwise, channels_last):
        got = through(cut, image, predict, thickness=batch * batches, batch=batch)
        for there, here in zip(expected, got, strict=True):
            np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("plane", NINE, ids=str)
def test_voxels_are_read_once_in_boxes_of_chunks(plane):
    shape = (150, 140, 100)
    image = np.ones(shape, np.float32)
    image.flags.writeable = False
    regions = []

    def read(region):
        regions.append(region)
        return image[region]

    cut = Cut(plane, shape, stride=8, reach=5)
    across = [a for a in range(3) if a != (plane.rotation_axis or 0)]
    most = total = 0
    for slab in cut.slabs(24, 2):
        regions.clear()
        lines = cut.read(slab, read)
        times = np.zeros(shape, int)
        for region in regions:
            times[region] += 1
            if plane.rotation_axis is None:
                continue
            for axis in across:  # in one chunk across, all along the rotation axis
                assert region[axis].start // 64 == (region[axis].stop - 1) // 64
        assert times.max() == 1
        total += times.sum()
        most = max(most, cut.voxels(slab))
        # columns beside those needed are read, but not kept
        (held,) = (v for v in vars(lines).values() if torch.is_tensor(v) and v.shape[-1] != 4)
        assert held.numel() <= cut.voxels(slab)
    assert most < 0.6 * image.size
    assert total < 3.5 * image.size


def test_pixels_and_sizes_of_a_full_scan():
    """1200x1200x1000 voxels at depth 3: 15.07 volumes of pixels in the paper's way, 9.97 here."""
    shape = (1200, 1200, 1000)
    cuts = [Cut(plane, shape, stride=8, reach=52) for plane in NINE]
    voxels = np.prod(shape)
    assert sum(cut.paper_pixels for cut in cuts) / voxels == pytest.approx(15.07, abs=0.005)
    for batch in (1, 2, 8):
        assert sum(cut.pixels(batch) for cut in cuts) / voxels < 10.02
        for cut in cuts:
            sizes = cut.sizes(batch)
            assert sum(sizes.values()) == -(-cut.n_slices // batch)
            assert len(sizes) <= 35
            slabs = cut.slabs(8 * batch, batch)
            assert sizes == Counter(b.size for slab in slabs for b in slab.batches)
            assert [slab.number for slab in slabs] == list(range(len(slabs)))


def test_air_is_not_cut():
    """A few wanted voxels in a corner: few slices, and little of each."""
    shape = (128, 128, 128)
    wanted = np.zeros((8, 8, 8), bool)
    wanted[1, 2, 6] = True
    for plane in NINE:
        cut = Cut(plane, shape, stride=8, reach=8, wanted=wanted)
        assert cut.pixels(2) < 0.02 * cut.paper_pixels
        assert len(cut.slabs(8, 2)) <= 4
    nothing = Cut(NINE[3], shape, stride=8, wanted=np.zeros((8, 8, 8), bool))
    assert (nothing.pixels(2), nothing.slabs(8, 2)) == (0, [])


def test_where_calls_are_dear_all_columns_are_added_at_once():
    """As on a GPU; the same sums as run by run."""
    rng = np.random.default_rng(0)
    b, c = np.nonzero(rng.random((40, 50)) < 0.7)
    for tile, runs in runs_by_tile(b, c, 32).items():
        votes = torch.from_numpy(rng.integers(0, 99, (2, len(b), 32), dtype=np.int16))
        for axis in range(3):
            cubes = torch.ones((2, 2, 32, 32, 32), dtype=torch.int16)
            add_runs(cubes[0].movedim(axis + 1, 3), votes, runs)
            add_points(cubes[1].movedim(axis + 1, 3), votes, runs)
            assert cubes[0].equal(cubes[1])
            here = (b // 32 == tile[0]) & (c // 32 == tile[1])
            columns = cubes[0].movedim(axis + 1, 3)[:, b[here] % 32, c[here] % 32]
            assert columns.equal(votes[:, here] + 1)
            assert cubes[0].sum() == cubes[0].numel() + votes[:, here].sum()


def test_what_cannot_be_is_refused():
    plane = Plane.from_name("rc@45c")
    with pytest.raises(ParameterError, match=r"three axes.*\(3, 4\)"):
        Cut(plane, (3, 4))
    with pytest.raises(ParameterError, match=r"shape \(2, 1, 2\).*found bool of shape \(2, 2, 2\)"):
        Cut(plane, (20, 16, 17), wanted=np.ones((2, 2, 2), bool))
    with pytest.raises(ParameterError, match="found uint8"):
        Cut(plane, (20, 16, 17), wanted=np.ones((2, 1, 2), np.uint8))
    cut = Cut(plane, (20, 16, 17))
    with pytest.raises(ParameterError, match="multiple of the batch, found 5 and 2"):
        cut.slabs(5, 2)
    first, second = cut.slabs(4, 2)[2:4]
    with pytest.raises(ParameterError, match="slab 3 needs what the slab before it"):
        cut.back(second, None, BALLOTS)
    for way in (cut, Cut(Plane(0), (20, 16, 17))):
        first = way.slabs(4, 2)[0]
        back = way.back(first, None, BALLOTS)
        later = first.batches[1]
        with pytest.raises(ParameterError, match="slices 2 to 3 are not batch 0 of slab 0"):
            back.put(later, torch.zeros((2, 3, *later.size[1:])))
        for batch in first.batches:
            back.put(batch, torch.zeros((batch.size[0], 3, *batch.size[1:])))
        with pytest.raises(ParameterError, match="each once"):
            back.put(later, torch.zeros((2, 3, *later.size[1:])))
