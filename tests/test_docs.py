"""The code on the pages and the examples run: with small networks, on small scans."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import tifffile
from typer.testing import CliRunner

from srseg import Dataset, LabelClass, LabelTable, Volume, VolumeSegmenter
from srseg.backbones import describe_backbone, list_backbones
from srseg.cli import app
from srseg.io import write_volume
from srseg.phantoms import Phantom, make_phantom
from srseg.testing import check_backbone
from srseg.volumes import RigidTransform

ROOT = Path(__file__).parents[1]
SMALL = {"width": "2", "depth": "1", "input_size": "32", "max_iter": "3"}
# pages that begin with files, and build their dataset; others begin with one and a model
WITH_FILES = ("README.md", "docs/howto/add.md", "docs/tutorial.md")
WITH_DATASET = tuple(
    page
    for path in sorted((ROOT / "docs" / "howto").glob("*.md"))
    if (page := path.relative_to(ROOT).as_posix()) not in WITH_FILES
)
BLOCK = re.compile(r"^```(python|sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


def run_python(code: str, names: dict[str, Any]) -> None:
    """Run a block with small networks, trained for three iterations."""
    code = code.replace("(96, 96, 96)", "(40, 40, 40)")
    for name, value in SMALL.items():
        code = re.sub(rf"\b{name}=\d+", f"{name}={value}", code)
        code = re.sub(rf"({name}\": )\[[\d, ]+\]", rf"\1[{value}]", code)
        code = re.sub(rf"({name}\": )\d+", rf"\g<1>{value}", code)
    if "max_iter" not in code:
        new = r"(VolumeSegmenter\(|create_segmenter\(\"unet\",)\s*(?=\w+=)"
        code = re.sub(new, r"\1max_iter=3, ", code)
    exec(compile(code, "page", "exec"), names)


def run_shell(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the srseg commands of a block, one after the other."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["cd"]:
            monkeypatch.chdir(words[1])
        elif words:
            assert words[0] == "srseg", line
            for name, value in SMALL.items():
                option = "--" + name.replace("_", "-")
                if option in words:
                    words[words.index(option) + 1] = value
            if words[1] == "train" and "--max-iter" not in words:
                words += ["--max-iter", SMALL["max_iter"]]
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, f"{line}\n{result.output}"


def run_page(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    here = Path.cwd()
    for language, code in blocks(page):
        if language == "python":
            monkeypatch.chdir(here)
            run_python(code, names)
        elif language == "sh":
            run_shell(code, monkeypatch)


@pytest.fixture(scope="session")
def phantoms() -> list[Phantom]:
    return [make_phantom(seed, (40, 40, 40), voxel_size=5.0) for seed in range(6)]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, phantoms: list[Phantom]) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    first, second = phantoms[:2]
    for name, volume in {
        "scan.h5": first.scan,
        "A.h5": first.scan,
        "A-WF.mha": first.wf,
        "labels.mha": first.wf,
        "B.h5": second.scan,
        "C.h5": second.scan,
        "B-HQ.mha": second.truth,
    }.items():
        write_volume(folder / name, volume)
    tifffile.imwrite(folder / "scan.tif", second.scan.read())
    (folder / "slices").mkdir()
    for i, page in enumerate(second.scan.read()):
        tifffile.imwrite(folder / "slices" / f"slice{i:03d}.tif", page)
    _label_files(folder, first.truth)
    (folder / "screw.stl").write_text(_tetrahedron(150.0))
    for file in ("scan.toml", "beamtime.csv"):
        shutil.copy(ROOT / "docs" / "howto" / file, folder)
    return folder


def _tetrahedron(edge: float) -> str:
    """Give a closed mesh as STL, without the package that reads it."""
    corners = np.vstack([np.zeros(3), edge * np.eye(3)])
    lines = ["solid screw"]
    for face in ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)):
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex {:g} {:g} {:g}".format(*corners[i]) for i in face]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid screw", ""])


def _label_files(folder: Path, truth: Volume) -> None:
    """Write labels of a part, of a moved sample, and as other programs have them."""
    array = truth.read()
    stacks = {
        "masks": array[[10, 20, 30]],
        "one": array[15],
        "sideways": array[:, [5, 15, 25]].transpose(1, 0, 2),
        "box": array[10:20, 5:35, 5:35],
        "mask": np.where(array == 1, 255, 0).astype(np.uint8),
    }
    for name, stack in stacks.items():
        tifffile.imwrite(folder / f"{name}.tif", stack, photometric="minisblack")
    there = RigidTransform((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), (5, 40, -50))
    write_volume(folder / "moved.mha", truth.moved(there))
    (folder / "labels-to-scan.json").write_text(json.dumps(there.inverse().to_dict()))
    turn = SimpleITK.AffineTransform(3)
    turn.SetMatrix(there.matrix[::-1, ::-1].ravel().tolist())
    turn.SetTranslation([v / 1000 for v in there.translation[::-1]])
    SimpleITK.WriteTransform(turn, str(folder / "scan-to-labels.tfm"))
    names = ["background", "Mg screw", "Bone", "Degradation layer"]
    table = LabelTable(LabelClass(value, name) for value, name in enumerate(names))
    theirs = np.array([0, 2, 3, 1], np.uint8)[array]
    write_volume(folder / "slicer.seg.nrrd", Volume(theirs, truth.grid, table=table))


@pytest.fixture(scope="session")
def dataset_with_model(workshop: Path, phantoms: list[Phantom]) -> Path:
    """Four samples with WF, two with WF and HQ, and a model."""
    dataset = Dataset.create(workshop / "mgbone")
    (workshop / "parts").mkdir()
    for name, phantom in zip(["T1", "T2", "T3", "T4", "V1", "V2"], phantoms, strict=True):
        files = {"scan": phantom.scan, "WF": phantom.wf, "HQ": phantom.truth}
        for what, volume in files.items():
            write_volume(workshop / "parts" / f"{name}-{what}.h5", volume)
        dataset.add_sample(
            workshop / "parts" / f"{name}-scan.h5", name=name, metadata={"alloy": "Mg-10Gd"}
        )
        for label_set in ("WF", "HQ") if name in ("V1", "V2") else ("WF",):
            dataset.add_labels(
                workshop / "parts" / f"{name}-{label_set}.h5", sample=name, label_set=label_set
            )
    train = dataset.select(name=["T1", "T2"])
    segmenter = VolumeSegmenter(width=2, depth=1, input_size=32, max_iter=3, random_state=0)
    segmenter.fit(train).save(workshop / "wf.srseg")
    return workshop


@pytest.mark.parametrize("page", WITH_FILES)
def test_pages_that_begin_with_files(
    page: str, workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignore = shutil.ignore_patterns("mgbone", "wf.srseg", "parts")
    monkeypatch.chdir(shutil.copytree(workshop, tmp_path / "here", ignore=ignore))
    run_page(page, monkeypatch)


@pytest.mark.parametrize("page", WITH_DATASET)
def test_pages_that_begin_with_a_dataset(
    page: str, dataset_with_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(dataset_with_model, tmp_path / "here"))
    run_page(page, monkeypatch)


def test_the_facts_of_the_paper_page(monkeypatch: pytest.MonkeyPatch) -> None:
    run_page("docs/paper.md", monkeypatch)
    text = (ROOT / "docs/paper.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(rows) == 4
    for depth, paper, true in rows:
        info = describe_backbone("unet", n_classes=4, width=2, depth=int(depth), input_size=64)
        assert (info.receptive_field_paper, info.receptive_field) == (int(paper), int(true))


def test_every_sh_block_is_run_or_about_installing() -> None:
    run = {*WITH_FILES, *WITH_DATASET, "docs/paper.md"}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.relative_to(ROOT).as_posix()
        if "generated" not in page and page not in run | {"docs/install.md"}:
            assert not blocks(page), f"{page} has code that no test runs"


def test_the_plugin_of_the_plugin_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed as pip would leave it: a module and the entry points of its distribution."""
    (_, module), (_, project) = blocks("plugins/README.md")[-2:]
    told = tomllib.loads(project)["project"]
    (tmp_path / "shallow_backbone.py").write_text(module, "utf-8")
    info = tmp_path / f"shallow_backbone-{told['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {told['name']}\nVersion: {told['version']}\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
             for group, points in told["entry-points"].items()]  # fmt: skip
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    assert "shallow" in list_backbones()
    check_backbone("shallow")
    result = CliRunner().invoke(app, ["backbones", "show", "shallow", "--width", "16"])
    assert result.exit_code == 0, result.output
    segmenter = VolumeSegmenter("shallow", width=16, input_size=16, max_iter=2, voxel_size=None)
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[4:12] = 1
    assert segmenter.fit([labels * 9.0], [labels]).predict(labels * 9.0).shape == labels.shape


def run_example(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_quickstart_learns() -> None:
    means = {
        line.split("  ")[0].strip(): float(line.split()[-1])
        for line in run_example("quickstart.py").splitlines()[1:]
    }
    assert set(means) == {"WF labels", "1 plane", "9 planes"}
    assert means["9 planes"] > 50  # a network that learns nothing has less than 15


def test_grid_search_runs() -> None:
    small = ["--size", "40", "--max-iter", "3", "--width", "2", "4", "--depth", "1", "--jobs", "1"]
    output = run_example("grid_search.py", *small)
    assert output.count("±") == 1 + 2
    assert "best: {'depth': 1, 'width': " in output
    assert "mean, 3 planes" in output
