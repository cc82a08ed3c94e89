"""Labels come back as they were painted, at their place, with their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from srseg_napari import get_reader, write_labels
from srseg_napari._sample import sample_layers

from srseg.errors import DatasetError, GridError, LabelError
from srseg.io import open_volume, read_provenance, write_volume

if TYPE_CHECKING:
    from pathlib import Path

    from srseg import Dataset, Volume

UNITS = ("micrometer",) * 3


def opened(path: Path, labels: Volume) -> tuple[Any, dict[str, Any]]:
    write_volume(path, labels)
    reader = get_reader(str(path))
    assert reader is not None
    [(data, settings, _)] = reader(str(path))
    return data, settings


@pytest.mark.parametrize("name", ["b.h5", "b.seg.nrrd", "b.tif", "b.mha", "b.nii.gz"])
def test_only_what_was_painted_differs(tmp_path: Path, labels: Volume, name: str) -> None:
    data, settings = opened(tmp_path / "a.h5", labels)
    points = (np.array([1, 1, 8]), np.array([5, 6, 69]), np.array([7, 7, 130]))
    data[points] = 3
    assert write_labels(str(tmp_path / name), data, settings) == [str(tmp_path / name)]
    found = open_volume(tmp_path / name, labels=True)
    expected = labels.read().copy()
    expected[points] = 3
    np.testing.assert_array_equal(found.read(), expected)
    assert found.grid.same_as(labels.grid)
    if not name.endswith((".mha", ".nii.gz")):
        assert found.table == labels.table


def test_it_is_known_where_labels_come_from(tmp_path: Path, dataset: Dataset) -> None:
    data, settings, _ = sample_layers(dataset["A"], ["WF"])[-1]
    write_labels(str(tmp_path / "b.h5"), data, settings)
    made = read_provenance(tmp_path / "b.h5")
    assert made["of"] == {"sample": "A", "label_set": "WF"}
    assert made["program"].startswith("napari")


def test_the_file_that_is_shown_can_be_replaced(tmp_path: Path, labels: Volume) -> None:
    data, settings = opened(tmp_path / "a.h5", labels)
    data[3, 4, 5] = 2
    write_labels(str(tmp_path / "a.h5"), data, settings)
    expected = labels.read().copy()
    expected[3, 4, 5] = 2
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5", labels=True).read(), expected)


def test_files_of_a_dataset_are_left_alone(dataset: Dataset) -> None:
    data, settings, _ = sample_layers(dataset["A"], ["WF"])[-1]
    place = dataset["A"].labels_sidecar("WF").with_suffix(".h5")
    before = place.read_bytes()
    with pytest.raises(DatasetError, match="change only through srseg; save it elsewhere"):
        write_labels(str(place), data, settings)
    assert place.read_bytes() == before


def test_a_layer_of_napari_itself(tmp_path: Path) -> None:
    data = np.zeros((4, 5, 6), np.int32)
    data[2] = 3
    settings = {
        "name": "Labels", "metadata": {}, "units": ("millimeter",) * 3,
        "scale": (0.005, 0.0025, 0.0025), "translate": (0.1, 0.0, 0.0),
    }  # fmt: skip
    write_labels(str(tmp_path / "b.h5"), data, settings)
    found = open_volume(tmp_path / "b.h5", labels=True)
    np.testing.assert_array_equal(found.read(), data)
    assert found.grid.voxel_size == pytest.approx((5.0, 2.5, 2.5))
    assert found.grid.origin == pytest.approx((100.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("change", "data", "error", "says"),
    [
        ({"units": ("pixel",) * 3}, np.zeros((4, 5, 6), np.int32), GridError, "voxel size in µm"),
        ({}, np.zeros((5, 6), np.int32), GridError, "2 axes"),
        ({}, np.full((4, 5, 6), 9, np.int32), LabelError, "value 9 is not in the label table"),
        ({}, np.full((4, 5, 6), 999, np.int32), LabelError, "the value 999; labels are 0 to 254"),
    ],
    ids=["no voxel size", "a picture", "another class", "not a byte"],
)
def test_what_cannot_be_labels_is_refused(
    tmp_path: Path, change: dict[str, Any], data: Any, error: type[Exception], says: str
) -> None:
    settings = {
        "name": "Labels", "metadata": {}, "units": UNITS,
        "scale": (5.0,) * 3, "translate": (0.0,) * 3, **change,
    }  # fmt: skip
    with pytest.raises(error, match=says):
        write_labels(str(tmp_path / "b.h5"), data, settings)
    assert not list(tmp_path.iterdir())


def test_labels_that_were_shown_on_another_grid_are_refused(tmp_path: Path, labels: Volume) -> None:
    data, settings = opened(tmp_path / "a.h5", labels)
    settings["metadata"]["srseg"]["own_grid"] = False
    with pytest.raises(GridError, match="srseg view SAMPLE --labels a"):
        write_labels(str(tmp_path / "b.h5"), data, settings)
