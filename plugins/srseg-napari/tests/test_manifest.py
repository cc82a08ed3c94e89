"""napari finds what the plugin offers; without napari."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import numpy as np
import pytest
import srseg_napari

from srseg.io import open_volume, write_volume

if TYPE_CHECKING:
    from pathlib import Path

    from npe2 import PluginManager

    from srseg import Volume

npe2 = pytest.importorskip("npe2", reason="npe2 is in the plugin's extra 'test'")
NAME = "srseg-napari"


@pytest.fixture
def manager() -> PluginManager:
    made = npe2.PluginManager()
    made.register(npe2.PluginManifest.from_distribution(NAME))
    return made


def test_every_command_exists(manager: PluginManager) -> None:
    manifest = manager.get_manifest(NAME)
    assert manifest.display_name == "srseg"
    names = [command.python_name for command in manifest.contributions.commands]
    assert len(names) == 3
    for name in names:
        module, _, function = name.partition(":")
        assert module == "srseg_napari"
        assert callable(getattr(srseg_napari, function))


def test_a_file_goes_through_napari_and_back(
    manager: PluginManager, tmp_path: Path, labels: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npe2.PluginManager, "instance", lambda: manager)
    write_volume(tmp_path / "a.seg.nrrd", labels)
    [(data, settings, kind)] = npe2.read([str(tmp_path / "a.seg.nrrd")], stack=False)
    assert kind == "labels"
    data[0, 0, 0] = 1
    written = npe2.write(str(tmp_path / "b.seg.nrrd"), [(data, settings, kind)], plugin_name=NAME)
    assert written == [str(tmp_path / "b.seg.nrrd")]
    found = open_volume(tmp_path / "b.seg.nrrd", labels=True)
    assert np.count_nonzero(found.read() != labels.read()) == 1


@pytest.mark.parametrize(
    "name", ["a.nrrd", "A.seg.nrrd", "sub-01_sample-A_XPCT.json", "x/dataset_description.json"]
)
def test_which_files_are_ours(manager: PluginManager, name: str) -> None:
    assert [r.command for r in manager.iter_compatible_readers([name])] == ["srseg-napari.read"]


def test_others_are_not(manager: PluginManager) -> None:
    assert not list(manager.iter_compatible_readers(["a.png"]))


def test_srseg_view_finds_it() -> None:
    [point] = [p for p in entry_points(group="srseg.viewers") if p.name == "napari"]
    assert point.load() is srseg_napari.view_sample
