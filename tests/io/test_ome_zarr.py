"""What `write_ome_zarr` writes: read by zarr, ome-zarr and the models of the specification."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import FileFormatError, LabelError, ParameterError, StorageError
from srseg.io import Reading, open_volume, write_ome_zarr
from srseg.io._zarr.pyramid import halve, level_shapes

zarr = pytest.importorskip("zarr", reason="zarr is in the extra 'omezarr'")

GRID = Grid((70, 300, 131), (2.4, 1.2, 1.3), (12.5, -3.25, 1000.1))


@pytest.fixture(scope="module")
def scan():
    voxels = np.random.default_rng(1).integers(0, 60000, GRID.shape, dtype=np.uint16)
    return Volume(voxels, GRID)


@pytest.fixture(scope="module")
def labels():
    """On a grid of their own, twice as coarse."""
    grid = Grid((35, 150, 65), (4.8, 2.4, 2.6), (13.7, -2.65, 1000.75))
    voxels = np.random.default_rng(2).choice(np.uint8([0, 1, 2, 3, 255]), grid.shape)
    return Volume(voxels, grid, table=DEFAULT_LABELS)


@pytest.fixture(scope="module")
def written(tmp_path_factory, scan, labels):
    path = tmp_path_factory.mktemp("zarr") / "scan.ome.zarr"
    write_ome_zarr(path, scan, labels={"WF": labels, "srseg-wf_soft9": labels}, provenance={"a": 1})
    return path


def test_zarr_reads_every_level(written, scan, labels):
    group = zarr.open_group(written, mode="r")
    np.testing.assert_array_equal(group["0"][:], scan.read())
    np.testing.assert_array_equal(group["labels/WF/0"][:], labels.read())
    assert [group[str(i)].shape for i in range(2)] == [(70, 300, 131), (35, 150, 66)]
    assert "2" not in group
    padded = np.pad(scan.read().astype(float), [(0, 0), (0, 0), (0, 1)], mode="edge")
    mean = padded.reshape(35, 2, 150, 2, 66, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(group["1"][:], mean, atol=0.5)
    np.testing.assert_array_equal(group["labels/WF/1"][:], labels.read()[::2, ::2, ::2])
    assert group["0"].metadata.dimension_names == ("z", "y", "x")


def test_the_models_of_the_specification_accept_it(written):
    models = pytest.importorskip("ome_zarr_models", reason="ome-zarr-models is not installed")
    group = zarr.open_group(written, mode="r")
    image = models.open_ome_zarr(group, version="0.5")
    assert type(image).__name__ == "Image"
    assert image.ome_attributes.version == "0.5"
    sets = models.open_ome_zarr(group["labels"], version="0.5")
    assert type(sets).__name__ == "Labels"
    for name in ("WF", "srseg-wf_soft9"):
        label = models.open_ome_zarr(group[f"labels/{name}"], version="0.5")
        assert type(label).__name__ == "ImageLabel"
        names = [
            p["name"] for p in group[f"labels/{name}"].attrs["ome"]["image-label"]["properties"]
        ]
        assert names == [*DEFAULT_LABELS.names, "unlabelled"]


def test_ome_zarr_reads_it(written, scan, labels):
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url

    image, _, first, _ = reader.Reader(parse_url(written))()
    np.testing.assert_array_equal(np.asarray(image.data[0]), scan.read())
    scale, shift = image.metadata["coordinateTransformations"][1]
    assert scale == {"type": "scale", "scale": [4.8, 2.4, 2.6]}
    np.testing.assert_allclose(shift["translation"], [13.7, -2.65, 1000.75])
    assert [axis["unit"] for axis in image.metadata["axes"]] == ["micrometer"] * 3
    np.testing.assert_array_equal(np.asarray(first.data[0]), labels.read())
    assert first.metadata["properties"][2]["name"] == "degradation layer"
    bone = [round(255 * v) for v in first.metadata["color"][1]]
    assert bone == [*DEFAULT_LABELS.classes[1].rgb, 255]
    assert first.metadata["color"][0][3] == 0  # the background hides nothing


def test_round_trip(written, scan, labels):
    back = open_volume(written)
    assert back.grid == scan.grid
    np.testing.assert_array_equal(back.read(), scan.read())
    again = open_volume(written, Reading(dataset="labels/WF"), labels=True)
    assert again.grid == labels.grid
    assert again.table == DEFAULT_LABELS
    np.testing.assert_array_equal(again.read(), labels.read())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
def test_types(tmp_path, dtype):
    rng = np.random.default_rng(0)
    voxels = (rng.standard_normal((70, 20, 300)) * 1000).astype(dtype)
    write_ome_zarr(tmp_path / "a.ome.zarr", Volume.from_array(voxels, 2.0))
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert group["0"].dtype == np.dtype(dtype)
    np.testing.assert_array_equal(group["0"][:], voxels)
    mean = voxels.astype(float).reshape(35, 2, 10, 2, 150, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(group["1"][:], mean, atol=0.51 if dtype[0] != "f" else 1e-3)


def test_a_turned_volume_comes_back_and_says_where_it_lies(tmp_path):
    turn = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    grid = Grid((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), turn)
    write_ome_zarr(tmp_path / "a.ome.zarr", Volume(np.ones(grid.shape, np.uint8), grid))
    said = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]
    translation = said["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][1]
    # the first voxel's distance along the volume's own axes
    assert translation["translation"] == pytest.approx([20.0, -10.0, 30.0])
    assert open_volume(tmp_path / "a.ome.zarr").grid == grid


def test_few_files(tmp_path):
    volume = Volume.from_array(np.zeros((65, 600, 600), np.uint8), 1.0)
    write_ome_zarr(tmp_path / "a.ome.zarr", volume)
    files = [p for p in (tmp_path / "a.ome.zarr").rglob("*") if p.is_file()]
    # 2 x 2 x 2 shards, then one for each of 2 levels, and the metadata; not 200 chunks
    assert sum(p.name != "zarr.json" for p in files) == 10


class Watched:
    """A source that notes how much is read at once."""

    def __init__(self, shape):
        self.shape, self.dtype, self.largest = shape, np.dtype(np.uint8), 0

    def __getitem__(self, region):
        block = np.ones([s.stop - s.start for s in region], np.uint8)
        self.largest = max(self.largest, block.size)
        return block


def test_large_volumes_are_streamed_in_bands(tmp_path, monkeypatch):
    monkeypatch.setattr("srseg.io._zarr.write._BAND_BYTES", 1)
    source = Watched((130, 1100, 40))
    write_ome_zarr(tmp_path / "a.ome.zarr", Volume(source, Grid(source.shape, (1, 1, 1))))
    assert source.largest == 64 * 512 * 40
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert all(group[str(level)][:].all() for level in range(4))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int32", "uint64", "float32"]),
    seed=st.integers(0, 9),
)
def test_halving_is_the_mean(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        block = rng.standard_normal(shape).astype(kind)
    else:
        # the sum of eight is exact in float64
        high = min(np.iinfo(kind).max, 2**49)
        block = rng.integers(max(np.iinfo(kind).min, -high), high, shape, kind, endpoint=True)
    half = halve(block, nearest=False)
    assert half.dtype == kind
    assert half.shape == level_shapes(shape, 2)[1]
    for index in np.ndindex(half.shape):
        cube = block[tuple(slice(2 * i, 2 * i + 2) for i in index)].astype(float)
        assert abs(float(half[index]) - cube.mean()) <= (0.501 if kind.kind != "f" else 1e-5)


def test_refusals(tmp_path, scan, labels):
    with pytest.raises(FileFormatError, match=r"ends in \.ome\.zarr"):
        write_ome_zarr(tmp_path / "a.zarr", scan)
    for name in ("../x", "a/b", "", "..", "__x", "a b"):
        with pytest.raises(ParameterError, match="needs a label table, and a name"):
            write_ome_zarr(tmp_path / "a.ome.zarr", scan, labels={name: labels})
    wrong = Volume(np.full((4, 4, 4), 9, np.uint8), Grid((4,) * 3, (1,) * 3), table=DEFAULT_LABELS)
    with pytest.raises(LabelError, match="value 9"):
        write_ome_zarr(tmp_path / "a.ome.zarr", scan, labels={"WF": wrong})
    assert list(tmp_path.iterdir()) == []
    write_ome_zarr(tmp_path / "a.ome.zarr", labels)
    with pytest.raises(StorageError, match="exists already and is kept"):
        write_ome_zarr(tmp_path / "a.ome.zarr", scan)
    assert open_volume(tmp_path / "a.ome.zarr", labels=True).table == DEFAULT_LABELS
    write_ome_zarr(tmp_path / "a.ome.zarr", scan, overwrite=True)
    assert open_volume(tmp_path / "a.ome.zarr").shape == scan.shape
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_without_zarr_the_message_says_how_to_install_it(tmp_path):
    code = (
        "import sys; sys.modules['zarr'] = None\n"
        "import numpy as np; from srseg import Volume; from srseg.io import write_ome_zarr\n"
        "write_ome_zarr('a.ome.zarr', Volume.from_array(np.zeros((4, 4, 4), np.uint8), 1.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert "MissingPackageError" in done.stderr
    assert "pip install 'srseg[omezarr]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
