"""What holds for the whole house: imports, names, versions, docstrings."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.text import Text
from typer.main import get_command

import srseg
from srseg.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "h5py", "SimpleITK", "sklearn", "scipy", "matplotlib", "numpy")


def public_modules() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(srseg.__path__, "srseg.")]
    return ["srseg", *(name for name in names if "._" not in name)]


def loaded_after(code: str) -> list[str]:
    """Run code in a new interpreter and tell which heavy packages it imported."""
    code += f"\nimport sys; print('LOADED', *[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split("LOADED")[1].split()


def test_importing_srseg_loads_nothing_heavy() -> None:
    assert loaded_after("import srseg; dir(srseg)") == []


@pytest.mark.parametrize("arguments", [["--help"], ["dataset", "add", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "from typer.testing import CliRunner; from srseg.cli import app\n"
        f"result = CliRunner().invoke(app, {arguments}); print(result.output)\n"
        "assert result.exit_code == 0"
    )
    assert loaded_after(code) == []


@pytest.mark.parametrize("room", ["dataset", "io", "preprocessing", "phantoms", "volumes"])
def test_the_wing_of_scans_never_loads_torch(room: str) -> None:
    assert "torch" not in loaded_after(f"import srseg.{room}")


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))
    if not hasattr(command, "commands"):
        yield " ".join(words), command


def test_every_command_explains_itself() -> None:
    found = dict(commands(get_command(app)))
    assert {"train", "predict", "evaluate", "demo", "dataset add"} <= set(found)
    for name, command in found.items():
        assert command.help, name
        assert re.match(rf"Examples?: srseg {name}\b", command.epilog or ""), name
        assert "--json" in [option for p in command.params for option in p.opts], name
        for parameter in command.params:
            text = parameter.help
            assert text, f"{name}: {parameter.name}"
            # square brackets would be taken for a style and vanish
            assert Text.from_markup(text).plain == text, f"{name}: {parameter.name}"


def test_front_door_gives_every_name_it_lists() -> None:
    assert len(srseg.__all__) == len(set(srseg.__all__))
    for name in srseg.__all__:
        assert getattr(srseg, name) is not None
    assert set(srseg.__all__) <= set(dir(srseg))
    with pytest.raises(AttributeError, match="no attribute 'Datasett'"):
        _ = srseg.Datasett


def test_version_is_said_once() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    match = re.search(r"^version: (.+)$", citation, re.MULTILINE)
    assert match is not None
    assert match[1] == srseg.__version__ == version("srseg")
    done = subprocess.run(
        [sys.executable, "-c", "from srseg.cli import main; main()", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["srseg", srseg.__version__]


@pytest.mark.parametrize("folder", sorted((ROOT / "plugins").glob("*/")), ids=lambda f: f.name)
def test_plugins_are_packaged_alike(folder: Path) -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    theirs = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    project, tool = theirs["project"], theirs["tool"]
    package = folder.name.replace("-", "_")
    assert project["name"] == folder.name
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for key in ("license", "requires-python", "authors"):
        assert project[key] == ours["project"][key]
    assert project["version"] == srseg.__version__
    assert (folder / project["readme"]).is_file()
    assert "srseg" in project["dependencies"]
    assert any(needed.startswith("pytest") for needed in project["optional-dependencies"]["test"])
    assert theirs["build-system"] == ours["build-system"]
    assert tool["hatch"]["build"]["targets"]["wheel"] == {"packages": [package]}
    assert tool["mypy"]["strict"]
    pytest_options = tool["pytest"]["ini_options"]
    assert pytest_options["filterwarnings"][0] == "error"
    assert {"--strict-markers", "--strict-config"} <= set(pytest_options["addopts"])
    points = [point for group in project["entry-points"].values() for point in group.values()]
    assert all(re.match(rf"{package}\b", point) for point in points)


def test_imports_go_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = pytest.importorskip("importlinter.cli", reason="import-linter is in the extra 'dev'")
    monkeypatch.chdir(ROOT)
    assert (
        cli.lint_imports(config_filename="pyproject.toml", no_cache=True) == cli.EXIT_STATUS_SUCCESS
    )


@pytest.mark.parametrize("name", public_modules())
def test_public_modules_say_what_they_offer(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert module.__all__
    for offered in module.__all__:
        thing = getattr(module, offered)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            assert thing.__doc__, f"{name}.{offered} has no docstring"


@pytest.mark.parametrize("page", ["docs/reference/index.md", "docs/house.md"])
def test_every_room_is_documented(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    # the reference of the command line is made from its help
    rooms = set(public_modules()) - {"srseg"} - ({"srseg.cli"} if "reference" in page else set())
    mentioned = set(re.findall(r"^(?: {3}|\| `)(srseg\.[a-z_]+)\b`?(?!\.)", text, re.MULTILINE))
    assert mentioned == rooms


def test_the_front_door_is_documented() -> None:
    text = (ROOT / "docs/reference/index.md").read_text("utf-8")
    documented = set(re.findall(r"^ {3}~srseg\.\w+\.(\w+)$", text, re.MULTILINE))
    assert documented == set(srseg.__all__) - {"__version__"}


def documented_names() -> Iterator[tuple[str, Any]]:
    """Give the public functions, classes, methods and properties with their full names."""
    for module_name in public_modules()[1:]:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                for member in dir(thing):
                    home = next(c for c in thing.__mro__ if member in vars(c))
                    found = inspect.getattr_static(thing, member)
                    ours = home.__module__.startswith("srseg") and not member.startswith("_")
                    if ours and isinstance(
                        found, property | classmethod | staticmethod | type(lambda: 0)
                    ):
                        yield f"{module_name}.{name}.{member}", thing


def test_docstrings_are_numpydoc() -> None:
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the extra 'docs'")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    checks = set(settings["tool"]["numpydoc_validation"]["checks"])
    problems = []
    names = list(documented_names())
    assert len(names) > 200
    for name, owner in names:
        # the methods of a protocol say in a line what those who offer them document
        skipped = {"PR01"} if getattr(owner, "_is_protocol", False) else set()
        for code, text in validate.validate(name)["errors"]:
            if code in checks - skipped:
                problems.append(f"{name}: {code} {text}")
    assert not problems, "\n".join(problems)
