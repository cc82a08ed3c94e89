"""Plugins that are sound, fail to import, have a name twice, or break their contract."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from typer.testing import CliRunner

from srseg.backbones import list_backbones
from srseg.cli._app import app
from srseg.errors import ParameterError, PluginError
from srseg.estimators import create_segmenter, list_segmenters
from srseg.estimators._catalog import _registry as segmenters
from srseg.io import FORMATS
from srseg.testing import check_format, check_plugin, list_plugins

SOUND = """
    import numpy as np
    from srseg.estimators import BaseSegmenter

    class Level(BaseSegmenter):
        reach = 0

        def __init__(self, level=0.5, steps=3):
            self.level = level
            self.steps = steps

        @classmethod
        def test_parameters(cls):
            return {"steps": 1}

        def learn(self, volumes, rng):
            if self.steps > 2:
                raise RuntimeError("this takes hours")

        def predict_block_proba(self, block):
            above = block > self.level
            found = np.zeros((len(self.label_table_), *block.shape), np.float32)
            found[0], found[-1] = ~above, above
            return found

    class Liar(Level):
        def predict_block_proba(self, block):
            return 2 * super().predict_block_proba(block)
"""


def install(site, package, code, points, version="1.0"):
    """A fake installed distribution: a module and its metadata."""
    site.mkdir(exist_ok=True)
    (site / f"{package}.py").write_text(textwrap.dedent(code))
    info = site / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    text = ""
    for group, names in points.items():
        text += f"[srseg.{group}]\n" + "".join(f"{n} = {package}:{a}\n" for n, a in names.items())
    (info / "entry_points.txt").write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of plugins of each kind, sound and not."""
    site = tmp_path / "site"
    install(site, "sound_plugin", SOUND, {"segmenters": {"level": "Level"}}, "2.5")
    install(site, "lying_plugin", SOUND, {"segmenters": {"liar": "Liar", "number": "np"}})
    install(
        site, "crashing_plugin", "import no_such_module_of_srseg\n",
        {"segmenters": {"crash": "Crash"}, "backbones": {"crash-net": "net"},
         "formats": {"Crash": "form"}},
    )  # fmt: skip
    install(site, "leaving_plugin", "raise SystemExit(4)\n", {"segmenters": {"leave": "Leave"}})
    install(
        site, "second_plugin", SOUND,
        {"segmenters": {"level": "Level", "unet": "Level"}, "backbones": {"unet": "Level"}},
    )  # fmt: skip
    install(site, "gone_plugin", "", {"segmenters": {"gone": "Gone"}})
    (site / "gone_plugin.py").unlink()
    code = """
        def narrow(*, n_classes):
            return None

        def view(sample):
            pass
    """
    points = {"backbones": {"narrow": "narrow"}, "viewers": {"eye": "view"},
              "formats": {"odd": "narrow"}}  # fmt: skip
    install(site, "network_plugin", code, points)
    monkeypatch.syspath_prepend(site)
    before = {registry: dict(registry._loaded) for registry in (segmenters, FORMATS)}
    yield site
    for registry, loaded in before.items():
        registry._loaded = loaded
        registry._broken.clear()


def only(plugins, *names):
    """Leave out plugins that are installed where the tests run."""
    ours = ("_plugin",)
    return {
        (p.kind, p.name, p.package): p
        for p in plugins
        if p.package.endswith(ours) and (not names or p.name in names)
    }


def test_what_is_listed_without_loading(site):
    found = only(list_plugins())
    assert "crashing_plugin" not in sys.modules
    assert "sound_plugin" not in sys.modules
    states = {key[1:]: plugin.state for key, plugin in found.items() if key[0] == "segmenter"}
    winner = "sound_plugin" if states["level", "sound_plugin"] == "installed" else "second_plugin"
    loser = ({"sound_plugin", "second_plugin"} - {winner}).pop()
    assert states == {
        ("level", winner): "installed", ("level", loser): "shadowed",
        ("liar", "lying_plugin"): "installed", ("number", "lying_plugin"): "installed",
        ("crash", "crashing_plugin"): "installed", ("leave", "leaving_plugin"): "installed",
        ("unet", "second_plugin"): "shadowed", ("gone", "gone_plugin"): "broken",
    }  # fmt: skip
    shadowed = found["segmenter", "level", loser]
    assert shadowed.reason == f"the name is taken by the package {winner}"
    assert found["backbone", "unet", "second_plugin"].reason == "the name is taken by srseg itself"
    assert found["segmenter", "gone", "gone_plugin"].reason == "there is no module 'gone_plugin'"
    assert found["segmenter", "level", "sound_plugin"].version == "2.5"


def test_loading_tells_which_are_broken(site):
    found = {p.name: (p.state, p.reason) for p in only(list_plugins(load=True)).values()}
    assert found["crash"][0] == found["crash-net"][0] == found["Crash"][0] == "broken"
    assert found["crash"][1].startswith("ModuleNotFoundError: No module named 'no_such_module")
    assert found["leave"] == ("broken", "SystemExit: 4")
    assert found["liar"] == ("loaded", "")


@pytest.mark.filterwarnings("ignore:.*is already taken by")
def test_the_rest_works_all_the_same(site, tmp_path):
    assert {"level", "crash", "unet"} <= set(list_segmenters())
    assert {"narrow", "unet"} <= set(list_backbones())
    assert create_segmenter("unet").backbone == "unet"
    assert create_segmenter("level", level=0.25).level == 0.25
    with pytest.raises(PluginError, match=r"crashing_plugin could not be loaded .*reinstall"):
        create_segmenter("crash")
    with pytest.raises(PluginError, match="entry point must name a class"):
        create_segmenter("number")
    with pytest.raises(ParameterError, match="no parameter 'depth'; it has level, steps"):
        create_segmenter("level", depth=3)


def problems(*names):
    chosen = only(list_plugins(), *names).values()
    return {(p.kind, p.name): check_plugin(p).problem for p in chosen if p.state != "shadowed"}


def test_checks_say_which_rule_is_broken(site):
    found = problems("level", "liar", "number", "gone", "leave", "narrow", "eye", "odd", "crash")
    assert found.pop(("segmenter", "level")) == ""  # with its own test_parameters
    assert "2; give probabilities" in found.pop(("segmenter", "liar"))
    assert "entry point must name a class" in found.pop(("segmenter", "number"))
    assert "No module named 'gone_plugin'" in found.pop(("segmenter", "gone"))
    assert "SystemExit: 4" in found.pop(("segmenter", "leave"))
    assert "No module named 'no_such" in found.pop(("segmenter", "crash"))
    assert "keywords n_classes, width and depth" in found.pop(("backbone", "narrow"))
    assert "cannot be called with a sample" in found.pop(("viewer", "eye"))
    assert "is an instance of srseg.io.Format" in found.pop(("file format", "odd"))
    assert found == {}


def test_parameters_of_a_check(site):
    (level,) = (p for p in only(list_plugins(), "level").values() if p.state != "shadowed")
    assert "this takes hours" in check_plugin(level, {"steps": 5}).problem
    with pytest.raises(ParameterError, match="no parameter 'n_trees'; it has level, steps"):
        check_plugin(level, {"n_trees": 5})


def test_the_command_goes_on_and_ends_with_3(site):
    arguments = ["plugins", "check", "level", "liar", "narrow", "crash", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3, result.output
    answer = json.loads(result.stdout)
    found = {(each["name"], each["package"]): each for each in answer["plugins"]}
    assert len(found) == 5
    assert answer["broken"] == 4
    assert sum("the name is taken by the package" in (e["problem"] or "") for e in found.values())
    assert {name for (name, _), each in found.items() if each["ok"]} == {"level"}


def test_the_command_on_what_srseg_has_itself():
    result = CliRunner().invoke(app, ["plugins", "check", "unet", "--kind", "backbone"])
    assert result.exit_code == 0, result.output
    assert "backbone unet (srseg" in result.stdout
    assert "1 of 1 plugin ok" in result.stdout


def test_wrong_use_of_the_command(site):
    result = CliRunner().invoke(app, ["plugins", "check", "levle"])
    assert result.exit_code == 1
    said = "no plugin 'levle' is installed; did you mean 'level'? Installed: "
    assert said in result.output.replace("\n", " ")
    result = CliRunner().invoke(app, ["plugins", "check", "zzzz"])
    assert "no plugin 'zzzz' is installed. Installed: " in result.output.replace("\n", " ")
    result = CliRunner().invoke(app, ["plugins", "check", "liar", "crash", "--set", "steps=1"])
    assert result.exit_code == 2
    assert "it is for one segmenter" in result.output.replace("\n", " ")


def test_in_a_process_of_its_own(site):
    """Everything that lists, and the built-in names, with all of these on the path."""
    code = """
        from typer.testing import CliRunner
        from srseg.cli._app import app
        for words in (["plugins", "list"], ["plugins", "list", "--load"], ["backbones", "list"]):
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, result.output
            print(result.output)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(site)}, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "broken: there is no module 'gone_plugin'" in done.stdout
    assert "broken: ModuleNotFoundError: No module named 'no_such_module_of_srseg'" in done.stdout
    assert "shadowed: the name is taken by srseg itself" in done.stdout
    assert "'unet' of the package second_plugin is already taken by srseg itself" in done.stdout


@pytest.mark.parametrize("name", ["HDF5", "TIFF", "MHA", "NRRD", "NIfTI", "OME-Zarr", "Amira"])
def test_formats_of_srseg_keep_the_contract(name):
    check_format(FORMATS.get(name))


def test_a_format_that_breaks_the_contract():
    tiff = type(FORMATS.get("TIFF"))

    class Loud(tiff):
        suffixes = (".TIF",)

    class Shifted(tiff):
        def source(self, info):
            return super().source(info)[0:2, 0:3, 0:4] + 1

    class Failing(tiff):
        def write(self, path, volume, provenance, name):
            raise OSError("no")

    for broken, words in [
        (Loud(), "lower-case text"), (Shifted(), "reads other voxels than it wrote"),
        (Failing(), "could not write a small volume"), (tiff, "must name an instance"),
    ]:  # fmt: skip
        with pytest.raises(PluginError, match=words):
            check_format(broken)
