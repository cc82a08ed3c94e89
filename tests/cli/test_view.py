"""``srseg view``: what it hands to the plugin, and what it says where that cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from srseg.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from srseg import Dataset

PLUGIN = """
seen = []


def view(sample, label_sets):
    seen.append((sample.name, list(label_sets), sample.labels(label_sets[0]).shape))
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Install a viewer that opens no window, and give what it was handed."""
    import importlib

    site = tmp_path / "site"
    info = site / "fake_viewer-1.dist-info"
    info.mkdir(parents=True)
    (site / "fake_viewer.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-viewer\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[srseg.viewers]\nnapari = fake_viewer:view\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("DISPLAY", ":0")
    found: list[Any] = importlib.import_module("fake_viewer").seen
    found.clear()
    return found


@pytest.fixture
def without_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "names", lambda _: [])


def test_all_labels_are_shown(run: Callable[..., Any], study: Dataset, plugin: list[Any]) -> None:
    result = run("view", "E", "-d", study.path, "--json")
    assert result.exit_code == 0, result.output
    assert plugin == [("E", ["HQ", "WF"], (8, 10, 12))]
    assert json.loads(result.stdout)["label_sets"] == ["HQ", "WF"]


def test_labels_are_shown_in_the_order_they_are_named(
    run: Callable[..., Any], study: Dataset, plugin: list[Any]
) -> None:
    result = run(
        "view", "E", "--labels", "WF", "--labels", "HQ", "--labels", "WF", "-d", study.path
    )
    assert result.exit_code == 0, result.output
    assert plugin == [("E", ["WF", "HQ"], (8, 10, 12))]
    assert "showing E with WF, HQ; close the window to go on" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["G"], "has no sample 'G'"),
        (["A", "--labels", "HQ"], "sample A has no label set 'HQ'; it has: WF"),
    ],
)
def test_what_is_not_there_is_refused_before_a_window_opens(
    run: Callable[..., Any], study: Dataset, plugin: list[Any], words: list[str], says: str
) -> None:
    result = run("view", *words, "-d", study.path)
    assert result.exit_code == 1
    assert says in result.stderr
    assert plugin == []


@pytest.mark.usefixtures("without_plugin")
def test_without_the_plugin_it_is_said_how_to_get_it(
    run: Callable[..., Any], study: Dataset
) -> None:
    result = run("view", "A", "-d", study.path)
    assert result.exit_code == 1
    assert "pip install './plugins/srseg-napari[viewer]'" in result.stderr
    assert "srseg report" in result.stderr


def test_without_a_screen_no_window_is_tried(
    run: Callable[..., Any], study: Dataset, plugin: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    result = run("view", "A", "-d", study.path)
    assert result.exit_code == 1
    assert "there is no screen" in result.stderr
    assert plugin == []
