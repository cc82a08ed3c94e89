"""Predicted labels with what is saved beside them: HDF5, OME-Zarr; by slabs; whole or not."""

import json
import zlib
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import entr

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import FileFormatError, GridError, LabelError, ParameterError, StorageError
from srseg.io import (
    SAVES,
    create_prediction,
    open_probabilities,
    open_volume,
    prediction_files,
    read_provenance,
    verify_hdf5,
    write_prediction,
)
from srseg.io._maps import in_steps

SHAPE = (70, 530, 66)  # two rows of shards
GRID = Grid(SHAPE, (5.0, 4.0, 3.0), (1.0, 2.0, 3.0))


def predicted(shape=SHAPE, seed=0):
    """Give labels, probabilities, entropy and margin that belong together, as a network's do."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((4, *(-(-n // 8) for n in shape))).astype(np.float32)
    scores = (
        3 * coarse.repeat(8, 1).repeat(8, 2).repeat(8, 3)[:, : shape[0], : shape[1], : shape[2]]
    )
    odds = np.exp(scores - scores.max(axis=0))
    p = odds / odds.sum(axis=0)
    labels = p.argmax(axis=0).astype(np.uint8)
    ranked = np.sort(p, axis=0)
    return labels, p, entr(p).sum(axis=0) / np.log(4), ranked[-1] - ranked[-2]


def volumes(parts, grid=GRID):
    labels, p, entropy, margin = parts
    return Volume(labels, grid, table=DEFAULT_LABELS), {
        "probabilities": lambda start, stop: p[:, start:stop],
        "entropy": Volume(entropy, grid),
        "margin": Volume(margin, grid),
    }


@pytest.fixture(scope="module")
def parts():
    return predicted()


def test_hdf5(tmp_path, parts):
    path = tmp_path / "A_labels.h5"
    labels, maps = volumes(parts)
    write_prediction(path, labels, **maps, provenance={"model": "m"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "A_labels.h5", "A_labels_entropy.h5", "A_labels_margin.h5", "A_labels_probseg.h5",
    ]  # fmt: skip
    for file in tmp_path.iterdir():
        assert verify_hdf5(file) == []
        assert read_provenance(file)["model"] == "m"
    back = open_volume(path, labels=True)
    assert back.grid == GRID
    assert back.table == DEFAULT_LABELS
    np.testing.assert_array_equal(back.read(), parts[0])
    classes = open_probabilities(tmp_path / "A_labels_probseg.h5")
    assert tuple(classes) == DEFAULT_LABELS.names
    for one, expected in zip(classes.values(), parts[1], strict=True):
        assert one.grid == GRID
        np.testing.assert_allclose(one.read(), expected, atol=0.5 / 255 + 1e-6)
    box = (slice(3, 66), slice(500, 530), slice(1, 3))
    np.testing.assert_allclose(classes["bone"].read(box), parts[1][1][box], atol=0.002)
    for name, expected in (("entropy", parts[2]), ("margin", parts[3])):
        one = open_volume(tmp_path / f"A_labels_{name}.h5")
        assert one.grid == GRID
        np.testing.assert_allclose(one.read(), expected, atol=0.5 / 255 + 1e-6)


def test_any_hdf5_tool_reads_it(tmp_path, parts):
    """Nothing but gzip, and NeXus that says what the axes and numbers are."""
    labels, maps = volumes(parts)
    write_prediction(tmp_path / "a.h5", labels, **maps)
    nxdata = pytest.importorskip("silx.io.nxdata", reason="silx is not installed")
    with h5py.File(tmp_path / "a_probseg.h5") as file:
        data = file["entry/data"]
        assert data["data"].chunks == (1, 64, 64, 64)
        filters = data["data"].id.get_create_plist()
        assert [filters.get_filter(i)[0] for i in range(filters.get_nfilters())] == [
            h5py.h5z.FILTER_DEFLATE
        ]
        assert list(data.attrs["axes"]) == ["class", "z", "y", "x"]
        assert data["class_names"].asstr()[:].tolist() == list(DEFAULT_LABELS.names)
        scaled = data["data"][:] * data["data"].attrs["scaling"]
        np.testing.assert_allclose(scaled, parts[1], atol=0.002)
        assert nxdata.get_default(file).is_valid
        sums = file["entry/integrity/crc32"][()]
        assert sums.shape == (4, 2, 9, 2)
        assert sums[2, 1, 8, 1] == zlib.crc32(data["data"][2, 64:, 512:, 64:].tobytes())
    with h5py.File(tmp_path / "a_entropy.h5") as file:
        assert "definition" not in file["entry"]  # it is no scan
        assert "ln K" in file["entry/data/data"].attrs["long_name"]
        assert nxdata.get_default(file).is_valid


def test_a_flipped_bit_is_found_in_each_class(tmp_path, parts):
    labels, maps = volumes(parts)
    write_prediction(tmp_path / "a.h5", labels, probabilities=maps["probabilities"])
    path = tmp_path / "a_probseg.h5"
    with h5py.File(path) as file:
        voxels = file["entry/data/data"].id
        chunk = next(
            info for n in range(voxels.get_num_chunks())
            if (info := voxels.get_chunk_info(n)).chunk_offset == (3, 64, 128, 0)
        )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    assert verify_hdf5(path) == [(slice(64, 70), slice(128, 192), slice(0, 64))]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.sets(st.integers(1, 69), max_size=5), suffix=st.sampled_from([".h5", ".ome.zarr"]))
def test_slabs_of_any_thickness(tmp_path_factory, parts, cuts, suffix):
    if suffix != ".h5":
        pytest.importorskip("zarr")
    path = tmp_path_factory.mktemp("slabs") / f"a{suffix}"
    labels, p, entropy, margin = parts
    edges = [0, *sorted(cuts), 70]
    with create_prediction(path, GRID, DEFAULT_LABELS, saves=SAVES) as sink:
        for start, stop in pairwise(edges):
            sink.margin[start:stop] = margin[start:stop]
            sink.labels[start:stop] = labels[start:stop]
            sink.probabilities[start:stop] = p[:, start:stop]
            sink.entropy[start:stop] = entropy[start:stop]
    np.testing.assert_array_equal(open_volume(path, labels=True).read(), labels)
    files = prediction_files(path, SAVES)
    if suffix == ".h5":
        bone = open_probabilities(files["probabilities"])["bone"].read() * 255
    else:
        import zarr

        bone = zarr.open_group(files["probabilities"], mode="r")["0"][1]
    np.testing.assert_array_equal(np.rint(bone), in_steps(p[1], "p"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, parts):
    pytest.importorskip("zarr", reason="zarr is in the extra 'omezarr'")
    folder = tmp_path_factory.mktemp("zarr")
    labels, maps = volumes(parts)
    write_prediction(folder / "a.ome.zarr", labels, **maps, provenance={"model": "m"})
    return folder


class TestOMEZarr:
    def test_ome_zarr_reads_it(self, folder, parts):
        reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
        from ome_zarr.io import parse_url

        (labels,) = reader.Reader(parse_url(folder / "a.ome.zarr"))()
        np.testing.assert_array_equal(np.asarray(labels.data[0]), parts[0])
        np.testing.assert_array_equal(np.asarray(labels.data[1]), parts[0][::2, ::2, ::2])
        (image,) = reader.Reader(parse_url(folder / "a_probseg.ome.zarr"))()
        assert [axis["name"] for axis in image.metadata["axes"]] == ["c", "z", "y", "x"]
        np.testing.assert_array_equal(np.asarray(image.data[0]), in_steps(parts[1], "p"))
        assert image.metadata["channel_names"] == list(DEFAULT_LABELS.names)
        half = np.asarray(image.data[1])
        mean = in_steps(parts[1], "p").astype(float).reshape(4, 35, 2, 265, 2, 33, 2)
        np.testing.assert_allclose(half, mean.mean(axis=(2, 4, 6)), atol=0.5)
        scale, shift = image.metadata["coordinateTransformations"][1]
        assert scale["scale"] == [1.0, 10.0, 8.0, 6.0]
        assert shift["translation"] == [0.0, 3.5, 4.0, 4.5]

    def test_the_models_of_the_specification_accept_it(self, folder):
        models = pytest.importorskip("ome_zarr_models", reason="ome-zarr-models is not installed")
        import zarr

        for name in ("a", "a_probseg", "a_entropy", "a_margin"):
            group = zarr.open_group(folder / f"{name}.ome.zarr", mode="r")
            assert type(models.open_ome_zarr(group, version="0.5")).__name__ in (
                "Image", "ImageLabel",
            )  # fmt: skip

    def test_srseg_reads_it(self, folder, parts):
        back = open_volume(folder / "a.ome.zarr", labels=True)
        assert back.grid == GRID
        assert back.table == DEFAULT_LABELS
        np.testing.assert_array_equal(back.read(), parts[0])
        entropy = open_volume(folder / "a_entropy.ome.zarr")
        assert entropy.grid == GRID
        np.testing.assert_array_equal(entropy.read(), in_steps(parts[2], "entropy"))

    def test_from_the_first_slice_to_the_last(self, tmp_path):
        pytest.importorskip("zarr")
        grid = Grid((130, 8, 9), (5.0, 5.0, 5.0))
        with (  # noqa: PT012
            pytest.raises(ParameterError, match="from the first slice to the last"),
            create_prediction(tmp_path / "a.ome.zarr", grid, DEFAULT_LABELS) as sink,
        ):
            sink.labels[64:128] = np.zeros((64, 8, 9), np.uint8)
            sink.labels[0:64] = np.zeros((64, 8, 9), np.uint8)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".h5", ".ome.zarr"])
class TestAllOrNothing:
    def test_what_fails_leaves_the_old(self, tmp_path, suffix):
        if suffix != ".h5":
            pytest.importorskip("zarr")
        grid = Grid((4, 5, 6), (5.0, 5.0, 5.0))
        path = tmp_path / f"a{suffix}"
        parts = predicted(grid.shape)
        labels, maps = volumes(parts, grid)
        write_prediction(path, labels, **maps)
        before = _contents(tmp_path)
        with pytest.raises(StorageError, match="exists already"):
            write_prediction(path, labels, **maps)
        with (  # noqa: PT012
            pytest.raises(StorageError, match="never written"),
            create_prediction(path, grid, DEFAULT_LABELS, saves=SAVES, overwrite=True) as sink,
        ):
            sink.labels[:] = np.zeros(grid.shape, np.uint8)
            sink.probabilities[:] = np.zeros((4, *grid.shape), np.uint8)
            sink.entropy[:] = np.zeros(grid.shape, np.uint8)
        assert _contents(tmp_path) == before
        write_prediction(path, labels, **maps, provenance={"new": 1}, overwrite=True)
        assert _contents(tmp_path).keys() == before.keys()
        assert _contents(tmp_path) != before

    def test_a_file_that_is_there_is_refused_before_anything(self, tmp_path, suffix):
        if suffix != ".h5":
            pytest.importorskip("zarr")
        (tmp_path / f"a_margin{suffix}").write_text("mine")
        grid = Grid((4, 5, 6), (5.0, 5.0, 5.0))
        with (
            pytest.raises(StorageError, match="a_margin"),
            create_prediction(tmp_path / f"a{suffix}", grid, DEFAULT_LABELS, saves=SAVES),
        ):
            pytest.fail("the block must not run")
        assert [p.name for p in tmp_path.iterdir()] == [f"a_margin{suffix}"]


def _contents(folder):
    return {
        str(p.relative_to(folder)): zlib.crc32(p.read_bytes())
        for p in folder.rglob("*") if p.is_file()
    }  # fmt: skip


class TestRefusals:
    GRID = Grid((4, 5, 6), (5.0, 5.0, 5.0))

    def sink(self, tmp_path):
        return create_prediction(tmp_path / "a.h5", self.GRID, DEFAULT_LABELS, saves=SAVES)

    @pytest.mark.parametrize("value", [1.01, -0.01, np.nan, np.inf])
    def test_no_probability(self, tmp_path, value):
        p = np.full((4, *self.GRID.shape), 0.25)
        p[2, 3, 4, 5] = value
        with pytest.raises(ParameterError, match="0 to 1"), self.sink(tmp_path) as sink:
            sink.probabilities[:] = p
        assert list(tmp_path.iterdir()) == []

    def test_other_numbers_of_classes(self, tmp_path):
        with pytest.raises(ParameterError, match="of 4 classes"), self.sink(tmp_path) as sink:
            sink.probabilities[:] = np.zeros((3, *self.GRID.shape))

    def test_a_label_that_the_table_lacks(self, tmp_path):
        with pytest.raises(LabelError, match="value 9"), self.sink(tmp_path) as sink:
            sink.labels[:] = np.full(self.GRID.shape, 9, np.uint8)

    def test_what_is_given_is_what_is_saved(self, tmp_path):
        labels, maps = volumes(predicted(self.GRID.shape), self.GRID)
        with pytest.raises(ParameterError, match="to be saved, and not given"):  # noqa: SIM117
            with self.sink(tmp_path) as sink:
                sink.fill(labels)
        with pytest.raises(ParameterError, match="given, and not saved"):  # noqa: SIM117
            with create_prediction(tmp_path / "a.h5", self.GRID, DEFAULT_LABELS) as sink:
                sink.fill(labels, **maps)
        with pytest.raises(ParameterError, match="give both"):
            write_prediction(tmp_path / "a.h5", labels, entropy=maps["entropy"])

    def test_another_grid(self, tmp_path):
        other = Volume.from_array(np.zeros((4, 5, 6), np.uint8), 4.0, table=DEFAULT_LABELS)
        _, maps = volumes(predicted(self.GRID.shape), self.GRID)
        with pytest.raises(GridError, match="labels lie on"), self.sink(tmp_path) as sink:
            sink.fill(other, **maps)

    def test_formats(self, tmp_path):
        labels, maps = volumes(predicted(self.GRID.shape), self.GRID)
        with pytest.raises(FileFormatError, match=r"\.h5 or \.ome\.zarr only"):
            write_prediction(tmp_path / "a.tif", labels, **maps)
        with pytest.raises(ParameterError, match="found 'logits'"):
            prediction_files(tmp_path / "a.h5", ["logits"])
        with (
            pytest.raises(FileFormatError, match="slab by slab"),
            create_prediction(tmp_path / "a.tif", self.GRID, DEFAULT_LABELS),
        ):
            pytest.fail("the block must not run")
        write_prediction(tmp_path / "a.nrrd", labels)
        np.testing.assert_array_equal(
            open_volume(tmp_path / "a.nrrd", labels=True).read(), labels.read()
        )

    def test_labels_are_no_probabilities(self, tmp_path):
        labels, maps = volumes(predicted(self.GRID.shape), self.GRID)
        write_prediction(tmp_path / "a.h5", labels, probabilities=maps["probabilities"])
        with pytest.raises(FileFormatError, match="holds no probabilities"):
            open_probabilities(tmp_path / "a.h5")
        with pytest.raises(FileFormatError):
            open_volume(tmp_path / "a_probseg.h5")

    def test_a_full_disk_is_seen_before(self, tmp_path):
        huge = Grid((100_000, 100_000, 100_000), (1.0, 1.0, 1.0))
        with (
            pytest.raises(StorageError, match=r"needs .* GB .* free"),
            create_prediction(tmp_path / "a.h5", huge, DEFAULT_LABELS),
        ):
            pytest.fail("the block must not run")
        assert list(tmp_path.iterdir()) == []


def test_maps_may_lie_on_another_grid(tmp_path):
    fine, coarse = Grid((8, 9, 10), (2.5, 2.5, 2.5)), Grid((4, 5, 5), (5.0, 5.0, 5.0))
    labels = Volume(np.ones(fine.shape, np.uint8), fine, table=DEFAULT_LABELS)
    _, maps = volumes(predicted(coarse.shape), coarse)
    write_prediction(tmp_path / "a.h5", labels, **maps, maps_grid=coarse)
    assert open_volume(tmp_path / "a.h5").grid == fine
    assert open_volume(tmp_path / "a_entropy.h5").grid == coarse
    assert open_probabilities(tmp_path / "a_probseg.h5")["bone"].grid == coarse


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_steps_are_the_nearest(values, dtype):
    array = np.array(values, dtype).reshape(1, -1)
    steps = in_steps(array, "p")
    assert steps.dtype == np.uint8
    assert np.abs(steps - 255.0 * array.astype(float)).max() <= 0.5 + 1e-4


def test_slabs_are_read_within_bounds(tmp_path):
    """What is asked for at once stays small, however large the volume is."""
    grid = Grid((64, 40, 50), (5.0, 5.0, 5.0))
    asked = []

    def probabilities(start, stop):
        asked.append(stop - start)
        return np.full((4, stop - start, 40, 50), 0.25, np.float32)

    labels = Volume(np.zeros(grid.shape, np.uint8), grid, table=DEFAULT_LABELS)
    path = tmp_path / "a.h5"
    with create_prediction(path, grid, DEFAULT_LABELS, saves=["probabilities"]) as sink:
        sink.fill(labels, probabilities=probabilities, most_bytes=8 * 40 * 50 * 4 * 6)
    assert asked == [8] * 8
    assert json.dumps(read_provenance(tmp_path / "a_probseg.h5")["LabelMap"])
