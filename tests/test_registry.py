import shutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import srseg.registry
from srseg.errors import PluginError, UnknownNameError
from srseg.registry import Registry

GROUP = "srseg.tests"


def install(folder: Path, name: str, code: str, **points: str) -> None:
    """A fake installed distribution: a module and its metadata on the path."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{key} = {name}:{value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def registry() -> Registry[object]:
    registry: Registry[object] = Registry(GROUP, "filter")
    registry.register("median", "the median")
    return registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_plugin_is_listed_without_loading_and_loaded_once(
    registry: Registry[object], site: Path
) -> None:
    install(site, "registry_plugin_one", "thing = object()\n", mean="thing")
    assert registry.names() == ["mean", "median"]
    assert "registry_plugin_one" not in sys.modules
    thing = registry.get("mean")
    assert thing is sys.modules["registry_plugin_one"].thing
    del sys.modules["registry_plugin_one"]
    assert registry.get("mean") is thing


def test_broken_plugin(registry: Registry[object], site: Path) -> None:
    install(site, "registry_plugin_two", "1 / 0\n", mean="thing", mode="thing")
    install(site, "registry_plugin_three", "thing = 3\n", third="thing")
    with pytest.raises(
        PluginError,
        match=r"filter 'mean' of the package registry_plugin_two .*ZeroDivisionError.*reinstall",
    ):
        registry.get("mean")
    assert registry.broken() == {"mean": "ZeroDivisionError: division by zero"}
    with pytest.raises(UnknownNameError, match=r"mean \(broken: ZeroDivisionError: .*\), median"):
        registry.get("maximum")
    with pytest.warns(UserWarning, match="could not be loaded") as caught:
        items = registry.items()
    assert items == {"median": "the median", "third": 3}
    assert len(caught) == 2


def test_plugin_that_lacks_what_it_names(registry: Registry[object], site: Path) -> None:
    install(site, "registry_plugin_four", "", mean="missing")
    with pytest.raises(PluginError, match=r"AttributeError.*'missing'"):
        registry.get("mean")


def test_plugin_that_exits_does_not_end_the_program(registry: Registry[object], site: Path) -> None:
    install(site, "registry_plugin_five", "raise SystemExit(3)\n", mean="thing")
    with pytest.raises(PluginError, match="SystemExit: 3"):
        registry.get("mean")


def test_plugin_repaired_while_the_program_runs(registry: Registry[object], site: Path) -> None:
    install(site, "registry_plugin_six", "import nothing_of_that_name\n", mean="thing")
    with pytest.raises(PluginError):
        registry.get("mean")
    (site / "nothing_of_that_name.py").write_text("")
    (site / "registry_plugin_six.py").write_text("thing = 'here, after all'\n")
    sys.path_importer_cache.clear()
    assert registry.get("mean") == "here, after all"
    assert registry.broken() == {}


def test_duplicates_warn_and_name_the_winner(registry: Registry[object], site: Path) -> None:
    install(site, "registry_plugin_seven", "thing = 7\n", mean="thing", median="thing")
    install(site, "registry_plugin_eight", "thing = 8\n", mean="thing")
    with pytest.warns(UserWarning, match="already taken") as caught:
        assert registry.names() == ["mean", "median"]
    messages = sorted(str(warning.message) for warning in caught)
    assert len(messages) == 2
    assert "'mean' of the package registry_plugin_" in messages[0]
    assert "already taken by the package registry_plugin_" in messages[0]
    assert (
        "'median' of the package registry_plugin_seven is already taken by srseg itself"
        in (messages[1])
    )
    assert registry.get("median") == "the median"
    winner = messages[0].split("taken by the package ")[1].split(",")[0]
    with pytest.warns(UserWarning, match="already taken"):
        thing = registry.get("mean")
    assert thing == sys.modules[winner].thing


def test_same_plugin_twice_on_the_path_is_no_duplicate(
    registry: Registry[object], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "registry_plugin_nine", "thing = 9\n", mean="thing")
    monkeypatch.syspath_prepend(site)
    assert registry.names() == ["mean", "median"]


def test_packages_are_read_once_until_one_is_installed(
    registry: Registry[object], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(
        srseg.registry,
        "entry_points",
        lambda *, group: read.append(group) or entry_points(group=group),
    )
    for _ in range(3):
        assert registry.names() == ["median"]
    assert read == [GROUP]
    install(site, "registry_plugin_ten", "thing = 10\n", mean="thing")
    assert registry.names() == ["mean", "median"]
    shutil.rmtree(site / "registry_plugin_ten-1.0.dist-info")
    assert registry.names() == ["median"]
    assert read == [GROUP] * 3


def test_unknown_name_suggests(registry: Registry[object]) -> None:
    with pytest.raises(UnknownNameError, match=r"no filter 'medain'; did you mean 'median'\?"):
        registry.get("medain")
    with pytest.raises(UnknownNameError, match=r"no filter 'xyz'\. Known filters: median$"):
        registry.get("xyz")
    with pytest.raises(LookupError, match="Known dogs: none"):
        Registry("srseg.no_such_group", "dog").get("rex")


def test_name_is_given_once(registry: Registry[object]) -> None:
    with pytest.raises(PluginError, match="'median' is already taken"):
        registry.register("median", "another")
