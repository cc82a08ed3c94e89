"""A scan read once gives the same bits as one that is read again and again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import MissingFileError, ParameterError, StorageError
from srseg.io import Reading, open_volume
from srseg.io._axes import TurnedSource
from srseg.preprocessing import _bands, prepare, prepared_once, resample
from srseg.preprocessing._bands import band_regions
from srseg.preprocessing._through import resample_through
from srseg.volumes import FieldOfView, Grid, RigidTransform, Scratch, Volume


class ChunkedSource:
    """An array that counts how often each of its chunks is decoded."""

    def __init__(self, array: Any, chunk: tuple[int, int, int], *, told: bool = True) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.chunk = chunk
        self.decoded = np.zeros([-(-n // c) for n, c in zip(array.shape, chunk, strict=True)], int)
        if told:
            self.chunk_grid = (chunk, (0, 0, 0))

    def __getitem__(self, region: Any) -> Any:
        touched = tuple(
            slice(part.start // c, -(-part.stop // c))
            for part, c in zip(region, self.chunk, strict=True)
        )
        self.decoded[touched] += 1
        return self.array[region]


@pytest.fixture(autouse=True)
def _small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bands, "_MOST_BYTES", 16_000)
    monkeypatch.setattr(_bands, "_LEAST_BYTES", 1000)


def scan(shape: tuple[int, ...], dtype: Any = np.uint16, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def collected(volume: Volume, grid: Grid) -> Any:
    out = np.full(grid.shape, -1, np.float32)
    times = np.zeros(grid.shape, int)

    def take(region: Any, block: Any) -> None:
        out[region] = block
        times[region] += 1

    resample_through(volume, grid, take)
    assert (times == 1).all()
    return out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_size_any_chunks(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(2, 40)] * 3))
    chunk = data.draw(st.tuples(*[st.integers(1, 17)] * 3))
    sizes = data.draw(st.tuples(*[st.sampled_from([0.7, 1.0, 2.4, 2.5])] * 3))
    new = data.draw(st.sampled_from([0.6, 1.0, 1.9, 2.5, 3.3, 5.0]))
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, ">u2", np.float32]))
    source = ChunkedSource(scan(shape, dtype), chunk)
    grid = Grid(source.shape, sizes, (1.0, -2.0, 3.0))
    if min(grid.extent) < new / 2:
        return
    volume, outer = Volume(source, grid), grid.resampled(new)
    found = collected(volume, outer)
    assert source.decoded.max() == 1
    np.testing.assert_array_equal(found, resample(volume, outer, order="linear").read())


def test_a_region_of_a_scan_is_read_along_its_chunks() -> None:
    source = ChunkedSource(scan((40, 60, 30)), (8, 16, 8))
    whole = Volume(source, Grid(source.shape, (2.0, 2.0, 2.0)))
    part = whole.cropped((slice(5, 37), slice(11, 55), slice(0, 30)))
    assert len(list(band_regions(part))) > 4
    outer = part.grid.resampled(3.0)
    found = collected(part, outer)
    assert source.decoded.max() == 1
    np.testing.assert_array_equal(found, resample(part, outer).read())


@pytest.mark.parametrize("axes", ["zyx", "-z-y-x", "xyz", "y-zx"])
def test_files_whose_axes_are_turned(axes: str) -> None:
    source = ChunkedSource(scan((40, 37, 43)), (8, 9, 7))
    turned = TurnedSource(source, Reading(axes=axes))
    volume = Volume(turned, Grid(turned.shape, (2.0, 2.0, 2.0)))
    assert len(list(band_regions(volume))) > 4
    outer = volume.grid.resampled(3.0)
    found = collected(volume, outer)
    assert source.decoded.max() == 1
    np.testing.assert_array_equal(found, resample(volume, outer).read())


def test_hdf5_files_tell_their_chunks(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("chunked", (30, 31, 32), "u2", chunks=(5, 6, 7))[:] = 1
        file["in_lines"] = scan((30, 31, 32))
    for name, chunk in [("chunked", (5, 6, 7)), ("in_lines", (1, 1, 32))]:
        source: Any = open_volume(tmp_path / "a.h5", Reading(dataset=name), voxel_size=1).source
        assert source.chunk_grid == (chunk, (0, 0, 0))


@pytest.mark.parametrize("whole_slices", [True, False])
def test_sources_that_do_not_tell_their_chunks(whole_slices: bool) -> None:
    chunk = (4, 200, 30) if whole_slices else (64, 64, 64)
    source = ChunkedSource(scan((130, 200, 30)), chunk, told=False)
    if whole_slices:
        source.whole_slices = True  # type: ignore[attr-defined]
    volume = Volume(source, Grid(source.shape, (2.0, 2.0, 2.0)))
    collected(volume, volume.grid.resampled(5.0))
    assert source.decoded.max() == 1


def test_a_turned_scan_is_looked_up() -> None:
    turn = RigidTransform((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    volume = Volume.from_array(scan((20, 22, 24))).moved(turn)
    outer = Grid((10, 12, 9), (2.0, 2.0, 2.0), (-3.0, 1.0, 2.0))
    np.testing.assert_array_equal(collected(volume, outer), resample(volume, outer).read())


CASES = {
    "downsampled": (np.uint16, 5.0, None),
    "not by a whole number": (np.uint16, 3.7, None),
    "floats with NaN": (np.float32, 5.0, None),
    "the same voxels": (np.uint16, 2.4, None),
    "the same voxels, signed": (np.int8, None, None),
    "the same voxels, floats": (np.float32, None, None),
    "big-endian": (">u2", None, None),
    "in a circle": (np.uint16, 5.0, FieldOfView((0, 70, 70), 60)),
    "in a slanted cylinder": (np.float32, 2.4, FieldOfView((0, 60, 70), 50, (1, 0.2, 0))),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_prepare_to_the_last_bit(case: str, tmp_path: Path) -> None:
    dtype, voxel_size, field = CASES[case]
    voxels = scan((70, 66, 58), dtype)
    if voxels.dtype.kind == "f":
        voxels[np.random.default_rng(1).random(voxels.shape) < 0.05] = np.nan
    volume = Volume(voxels, Grid(voxels.shape, (2.4, 2.4, 2.4)), field=field)
    expected = prepare(volume, voxel_size=voxel_size)
    with prepared_once(volume, voxel_size=voxel_size, scratch=tmp_path) as (found, normalisation):
        assert normalisation is not None
        assert found.normalised
        assert (found.grid, found.field) == (expected.grid, field)
        np.testing.assert_array_equal(found.read(), expected.read())
    resampled = resample(volume, expected.grid, order="linear").read()
    inside = np.isfinite(resampled)
    if field is not None:
        inside &= field.inside(expected.grid, tuple(slice(0, n) for n in resampled.shape))
        assert (expected.read()[~inside] == 0).all()
    low, high = np.percentile(resampled[inside].astype(float), (0.5, 99.9))
    assert (normalisation.low, normalisation.high) == pytest.approx((low, high))
    assert list(tmp_path.iterdir()) == []


def test_a_turned_scan_takes_its_field_along() -> None:
    turn = RigidTransform((0, 0, 1, 0, 1, 0, -1, 0, 0), (10.0, 0.0, 0.0))
    voxels = scan((20, 80, 80))
    field = FieldOfView((0, 100, 100), 80)
    volume = Volume(voxels, Grid(voxels.shape, (2.5,) * 3), field=field).moved(turn)
    prepared = prepare(volume, voxel_size=5.0)
    assert prepared.field == field.moved(turn)
    assert prepared.field.axis == pytest.approx((0, 0, -1))
    assert prepared.read()[:, 0, 0].max() == 0


def test_what_is_normalised_stays_so(tmp_path: Path) -> None:
    field = FieldOfView((0, 10, 10), 8)
    voxels = np.random.default_rng(0).random((6, 20, 20), np.float32)
    volume = Volume(voxels, Grid(voxels.shape, (1.0,) * 3), normalised=True, field=field)
    with prepared_once(volume, voxel_size=2.0, scratch=tmp_path) as (found, normalisation):
        assert normalisation is None
        np.testing.assert_array_equal(found.read(), prepare(volume, voxel_size=2.0).read())
        assert (found.read()[:, 0, 0] == 0).all()


def test_constant_scans_and_settings_are_refused_as_ever(tmp_path: Path) -> None:
    constant = Volume.from_array(np.full((4, 4, 4), 7, np.uint16), 5.0)
    for volume, more in [
        (constant, {}),
        (constant, {"clip": (9, 1)}),
        (constant, {"voxel_size": 0.0}),
    ]:
        with pytest.raises(ParameterError), prepared_once(volume, scratch=tmp_path, **more):
            pass
    outside = Volume(constant.source, constant.grid, field=FieldOfView((0, 500, 500), 3))
    with (
        pytest.raises(ParameterError, match="outside of the field of view"),
        prepared_once(outside, scratch=tmp_path),
    ):
        pass


class TestScratch:
    def test_boxes_come_back(self, tmp_path: Path) -> None:
        voxels = scan((5, 6, 7), np.float32)
        with Scratch(tmp_path, (5, 6, 7), np.float32) as scratch:
            for z in range(5):
                scratch.write((slice(z, z + 1), slice(0, 4), slice(0, 7)), voxels[z : z + 1, :4])
                scratch.write((slice(z, z + 1), slice(4, 6), slice(0, 7)), voxels[z : z + 1, 4:])
            box = (slice(1, 4), slice(2, 6), slice(3, 5))
            np.testing.assert_array_equal(scratch[box], voxels[box])

    def test_too_little_space_is_said_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(StorageError, match=r"No space left.*--scratch"):
            Scratch(tmp_path, (5, 6, 7), np.float32)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_system_that_cannot_reserve(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def cannot(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
        with Scratch(tmp_path, (2, 2, 2), np.float32):
            pass

    def test_a_disk_that_fills_up_is_an_error_and_no_crash(self) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        with Scratch(Path("/tmp"), (2, 2, 2), np.float32) as scratch:
            real = scratch._file
            scratch._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
            with pytest.raises(StorageError, match="cannot write a scratch file"):
                scratch.write(
                    (slice(0, 2), slice(0, 2), slice(0, 2)), np.ones((2, 2, 2), np.float32)
                )
            scratch._file.close()
            scratch._file = real

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        volume = Volume.from_array(scan((4, 4, 4)), 5.0)
        with (
            pytest.raises(MissingFileError, match="make it first"),
            prepared_once(volume, scratch=tmp_path / "none"),
        ):
            pass


@pytest.mark.parametrize("shape", [(2130, 2510, 2510), (100, 200, 300), (7, 4000, 4000)])
@pytest.mark.parametrize("chunk", [None, (64, 64, 64), (1, 2510, 2510), (256, 256, 256), (3, 5, 9)])
def test_bands_are_whole_chunks_and_of_bounded_size(
    shape: tuple[int, int, int], chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()

    class Source:
        dtype = np.dtype(np.uint16)

        def __getitem__(self, region: Any) -> Any:
            raise AssertionError

    source: Any = Source()
    source.shape = shape
    if chunk:
        source.chunk_grid = (chunk, (0, 0, 0))
    covered, largest = 0, 0
    edges = chunk or (64, 64, 64)
    for region in band_regions(Volume(source, Grid(shape, (1.0, 1.0, 1.0)))):
        n_voxels = np.prod([part.stop - part.start for part in region])
        covered, largest = covered + n_voxels, max(largest, n_voxels)
        for part, edge, length in zip(region, edges, shape, strict=True):
            assert part.start % edge == 0
            assert part.stop % edge == 0 or part.stop == length
    assert covered == np.prod(shape)
    row = min(edges[0], shape[0]) * min(edges[1], shape[1]) * shape[2] * 2
    assert 2 * largest <= max(128 << 20, row)
