"""Packages, extras, plugins, a compiler; what crashes or hangs when it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from srseg.doctor import (
    _compiler,
    _packages,
)
from srseg.doctor._probe import Answer, ask

if TYPE_CHECKING:
    from pathlib import Path


def test_a_probe_that_crashes_names_what_it_was_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashes.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = ask("_import_probe", "json", "no_such_module", "crashes", "csv")
    assert _packages.not_imported(answer) == [
        "no_such_module cannot be imported (ModuleNotFoundError: No module named 'no_such_module')",
        "crashes cannot be imported (ended by signal 11)",
    ]


def test_a_probe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hangs.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = ask("_import_probe", "hangs", limit=2.0)
    assert answer.late
    assert answer.trouble == "no answer within 2 s"
    assert _packages.not_imported(answer) == []


class Metadata:
    """What pip knows of an installed srseg."""

    def get_all(self, key: str) -> list[str]:
        if key == "Provides-Extra":
            return ["mesh", "dev", "cluster", "old"]
        return [
            "pytest>=8", "tifffile<2000", "no-such-package>=1", "SimpleITK>=2",
            "no-such-mesh>=4; extra == 'mesh'", "pytest>=8; extra == 'cluster'",
            "pytest>=999; extra == 'old'", "ruff; extra == 'dev'",
        ]  # fmt: skip


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packages, "metadata", lambda _: Metadata())


@pytest.mark.usefixtures("installed")
def test_packages_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def answer(*words: str) -> Answer:
        asked.append(words)
        return Answer([], "")

    monkeypatch.setattr(_packages, "ask", answer)
    [finding] = _packages.packages()
    assert finding.state == "broken"
    assert "no-such-package is not installed" in finding.text
    assert "is installed, <2000 is needed" in finding.text
    assert finding.remedy == "pip install 'tifffile<2000' 'no-such-package>=1'"
    assert asked == [("_import_probe", "pytest", "SimpleITK")]


@pytest.mark.usefixtures("installed")
def test_extras(by_topic: Any) -> None:
    found = by_topic(_packages.extras())
    assert set(found) == {"extra mesh", "extra cluster", "extra old"}
    assert found["extra mesh"].state == "ok"
    assert found["extra mesh"].text.startswith("not installed (the implant before implantation")
    assert found["extra mesh"].remedy == "pip install 'srseg[mesh]'"
    assert found["extra cluster"].text == f"pytest {pytest.__version__}"
    assert found["extra old"].state == "better"


def test_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "broken_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[srseg.backbones]\nfast = broken_plugin:fast\n")
    (tmp_path / "broken_plugin.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [finding] = _packages.plugins()
    assert finding.state == "broken"
    assert "broken_plugin cannot be imported" in finding.text
    assert "fast (backbones)" in finding.facts["plugins"]


def test_two_plugins_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one_plugin", "two_plugin"):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[srseg.segmenters]\nfast = {name}:fast\n")
        (tmp_path / f"{name}.py").write_text("fast = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [finding] = _packages.plugins()
    assert finding.state == "better"
    assert finding.text.endswith("several packages name fast (segmenters)")
    assert finding.remedy is not None
    assert "srseg plugins list" in finding.remedy


def test_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "c++"
    fake.write_text(
        "#!/bin/sh\necho 'probe.cpp:1: fatal error: Python.h: No such file' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    [finding] = _compiler.compiler()
    assert finding.state == "better"
    assert "Python.h: No such file" in finding.text
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert _compiler.compiler()[0].text == "no no-such-compiler for torch.compile"
