"""In napari itself: painted on, undone, saved; and a window where there is a screen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from srseg_napari import get_reader, view_sample
from srseg_napari._sample import sample_layers

from srseg.corrections import Suggestion, export_correction
from srseg.errors import MissingPackageError
from srseg.io import open_volume

if TYPE_CHECKING:
    from pathlib import Path

    from srseg import Dataset

napari = pytest.importorskip("napari", reason="napari is in the plugin's extra 'viewer'")
# napari and Qt warn of what they use themselves
pytestmark = pytest.mark.filterwarnings("default")


def test_labels_are_painted_on_and_saved(dataset: Dataset, tmp_path: Path) -> None:
    from napari.components import ViewerModel
    from napari.layers import Layer

    before = dataset["A"].labels("HQ").read()
    viewer = ViewerModel()
    for layer in sample_layers(dataset["A"]):
        viewer.add_layer(Layer.create(*layer))
    labels = viewer.layers["HQ"]
    assert labels is viewer.layers[-1]
    size = dataset["A"].scan_grid.voxel_size[0]
    z, y, x = (int(n) for n in np.argwhere(before == 3)[0])
    viewer.dims.set_point(0, z * size)
    status = labels.get_status((z * size, y * size, x * size), world=True)
    assert "residual material" in status["value"]
    labels.brush_size = 5
    labels.paint((z, y, x), 1)
    assert labels.data.n_changed > 5
    labels.undo()
    assert labels.data.n_changed == 0
    labels.redo()
    labels.fill((z, 0, 0), 2)
    expected = np.array(labels.data)
    assert np.count_nonzero(expected != before) == labels.data.n_changed
    from npe2 import PluginManager

    PluginManager.instance().discover()
    [written] = labels.save(str(tmp_path / "b.seg.nrrd"), plugin="srseg-napari")
    found = open_volume(written, labels=True)
    np.testing.assert_array_equal(found.read(), expected)
    assert found.grid.same_as(dataset["A"].labels("HQ").grid)


def test_places_to_correct_are_points(dataset: Dataset, tmp_path: Path) -> None:
    from napari.layers import Layer

    place = Suggestion.of_slice("z", 30, (70, 44, 42), expected=9.0, share=0.5)
    file = str(export_correction(dataset, "A", "WF", [place], tmp_path / "out", form="napari"))
    reader = get_reader(file)
    assert reader is not None
    points = Layer.create(*reader(file)[-1])
    assert points.name == "to correct"
    assert list(points.features["place"]) == ["z 30"]


@pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="there is no screen")
def test_a_window(dataset: Dataset) -> None:
    viewer = view_sample(dataset["A"], ["HQ"], block=False)
    try:
        assert [layer.name for layer in viewer.layers] == ["A", "HQ"]
        picture = viewer.screenshot(canvas_only=True, flash=False)
        assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 20
    finally:
        viewer.close()


def test_without_a_qt_it_is_said_what_to_install(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ImportError("No Qt bindings could be found")

    monkeypatch.setattr(napari, "Viewer", refuse)
    with pytest.raises(MissingPackageError, match=r"No Qt.*pip install 'napari\[pyside6\]'"):
        view_sample(dataset["A"])
