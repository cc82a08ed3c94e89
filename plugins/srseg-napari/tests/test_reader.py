"""What becomes a layer, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from srseg_napari import get_reader, open_sample
from srseg_napari._sample import sample_layers

from srseg import DEFAULT_LABELS, Volume
from srseg.corrections import Suggestion, export_correction
from srseg.errors import UnknownNameError
from srseg.io import write_volume
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from pathlib import Path

    from srseg import Dataset


def read(path: Path) -> list[tuple[Any, dict[str, Any], str]]:
    reader = get_reader(str(path))
    assert reader is not None
    return reader(str(path))


@pytest.mark.parametrize("name", ["a.h5", "a.seg.nrrd", "a.tif", "a_dseg.mha", "a_labels.nii.gz"])
def test_a_label_file(tmp_path: Path, labels: Volume, name: str) -> None:
    write_volume(tmp_path / name, labels)
    [(data, settings, kind)] = read(tmp_path / name)
    assert kind == "labels"
    np.testing.assert_array_equal(data, labels.read())
    assert settings["scale"] == labels.grid.voxel_size
    np.testing.assert_allclose(settings["translate"], labels.grid.origin)
    assert settings["units"] == ("um", "um", "um")
    assert settings["colormap"][3] == DEFAULT_LABELS.classes[3].color
    assert settings["colormap"][0] == settings["colormap"][None] == "transparent"
    if not name.endswith((".mha", ".nii.gz")):  # which have no place for a table
        assert settings["features"]["class"][1:] == [*DEFAULT_LABELS.names[1:], "unlabelled"]


def test_a_scan_file(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).normal(100, 10, (8, 9, 10)).astype(np.float32)
    write_volume(tmp_path / "scan.mha", Volume.from_array(grey, 2.4))
    [(data, settings, kind)] = read(tmp_path / "scan.mha")
    assert kind == "image"
    assert settings["scale"] == (2.4, 2.4, 2.4)
    low, high = settings["contrast_limits"]
    assert 70 < low < 90 < 110 < high < 130
    np.testing.assert_array_equal(data, grey)


def test_a_file_without_a_voxel_size_is_shown_in_voxels(tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(
        tmp_path / "scan.tif", np.zeros((4, 5, 6), np.uint16), photometric="minisblack"
    )
    [(_, settings, _)] = read(tmp_path / "scan.tif")
    assert settings["scale"] == (1.0, 1.0, 1.0)


def test_what_is_nothing_for_srseg_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "notes.h5").write_text("not HDF5")
    assert get_reader(str(tmp_path / "notes.h5")) is None
    assert get_reader(str(tmp_path / "picture.png")) is None
    assert get_reader([str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]) is None


def test_a_sample(dataset: Dataset) -> None:
    layers = read(next(dataset.path.glob("sub-*/micr/*_XPCT.json")))
    named = {settings["name"]: (settings, kind) for _, settings, kind in layers}
    assert [settings["name"] for _, settings, _ in layers] == ["A", "WF", "HQ"]
    assert [kind for _, kind in named.values()] == ["image", "labels", "labels"]
    assert named["HQ"][0]["visible"]
    assert not named["WF"][0]["visible"]
    assert named["HQ"][0]["metadata"]["srseg"]["of"] == {"sample": "A", "label_set": "HQ"}
    for path in (dataset.path, dataset.path / "dataset_description.json"):
        assert [settings["name"] for _, settings, _ in read(path)] == ["A", "WF", "HQ"]


def test_one_of_the_label_sets(dataset: Dataset) -> None:
    layers = open_sample(dataset.path, "A", "WF")
    assert [settings["name"] for _, settings, _ in layers] == ["A", "WF"]
    with pytest.raises(UnknownNameError, match="has no label set 'HG'; it has: HQ, WF"):
        open_sample(dataset.path, "A", "HG")


def test_of_several_samples_one_is_named(dataset: Dataset, tmp_path: Path) -> None:
    write_volume(tmp_path / "another.h5", dataset["A"].scan)
    dataset.add_sample(tmp_path / "another.h5", name="B")
    with pytest.raises(UnknownNameError, match="has 2 samples; name one of: A, B"):
        open_sample(dataset.path)


def test_what_was_saved_with_a_prediction(dataset: Dataset) -> None:
    labels = dataset["A"].labels("WF")
    with dataset.create_prediction(
        "A", "wf", labels.grid, description="soft3", provenance={}, saves=["disagreement"]
    ) as sink:
        half = Volume(np.full(labels.shape, 0.5, np.float32), labels.grid)
        sink.fill(labels, entropy=half, margin=half)
    layers = sample_layers(dataset["A"], ["srseg-wf/soft3"])
    names = [settings["name"] for _, settings, _ in layers]
    assert names == ["A", "srseg-wf/soft3 entropy", "srseg-wf/soft3 margin", "srseg-wf/soft3"]
    assert not layers[1][1]["visible"]
    np.testing.assert_allclose(layers[1][0][0], 0.5, atol=0.01)


def test_a_scan_at_an_angle_is_brought_onto_the_labels(dataset: Dataset, tmp_path: Path) -> None:
    sample = dataset["A"]
    matrix = Rotation.from_euler("xyz", (5, 10, 20), degrees=True).as_matrix()
    turned = RigidTransform(tuple(matrix.ravel().tolist()), (100.0, 20.0, -30.0))
    whole = sample.labels("WF")
    labels = whole.cropped((slice(2, 68), slice(44), slice(42))).moved(turned)
    write_volume(tmp_path / "turned.h5", labels)
    dataset.add_labels(tmp_path / "turned.h5", sample="A", label_set="turned")
    scan, moved = sample_layers(dataset["A"], ["turned"])
    # the axes are those of the labels, so that these are shown as they are
    np.testing.assert_array_equal(moved[0], labels.read())
    assert moved[1]["metadata"]["srseg"]["own_grid"]
    for key in ("scale", "translate"):
        np.testing.assert_allclose(scan[1][key], moved[1][key])
    index = np.random.default_rng(0).integers(0, labels.shape, (500, 3))
    there = sample.scan_grid.to_index(labels.grid.to_physical(index)).T
    inside = np.all((there > 0) & (np.array(sample.scan.shape) - 1 > there.T).T, axis=0)
    assert inside.sum() > 50
    index, there = index[inside], there[:, inside]
    expected = map_coordinates(sample.scan.read().astype(float), there, order=1)
    np.testing.assert_allclose(scan[0][tuple(index.T)], expected, rtol=1e-3)
    # beside others they are shown on another grid, and not saved from it
    shown = {
        s["name"]: s["metadata"]["srseg"]
        for _, s, kind in sample_layers(dataset["A"], ["WF", "turned"])
        if kind == "labels"
    }
    assert shown["WF"]["own_grid"]
    assert not shown["turned"]["own_grid"]


def test_an_exported_correction(dataset: Dataset, tmp_path: Path) -> None:
    places = [
        Suggestion.of_slice("z", 30, (70, 44, 42), expected=9.0, share=0.5),
        Suggestion.of_slice("x", 5, (70, 44, 42), expected=4.0, share=0.2),
    ]
    file = export_correction(dataset, "A", "WF", places, tmp_path / "out", form="napari")
    layers = read(file)
    assert [kind for _, _, kind in layers] == ["image", "labels", "points"]
    assert [kind for _, _, kind in read(file.parent)] == ["image", "labels", "points"]
    np.testing.assert_array_equal(layers[1][0], dataset["A"].labels("WF").read())
    points, settings, _ = layers[2]
    np.testing.assert_array_equal(points, [[30, 21.5, 20.5], [34.5, 21.5, 5]])
    assert settings["features"]["place"] == ["z 30", "x 5"]
    assert settings["scale"] == dataset["A"].scan_grid.voxel_size
