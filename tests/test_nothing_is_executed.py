"""Files are data: nothing in srseg or its plugins can make a program of one."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    [
        *(ROOT / "srseg").rglob("*.py"),
        *(path for folder in ROOT.glob("plugins/*/srseg_*") for path in folder.rglob("*.py")),
        *(ROOT / "examples").glob("*.py"),
    ]
)

MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml",
    "xml", "lxml", "runpy", "code", "codeop", "imp",
}  # fmt: skip
"""What reads objects or programs out of bytes; `xml` follows entities."""

CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.jit.load", "os.system",
    "os.popen", "subprocess.getoutput", "numpy.fromregex", "np.fromregex", "pandas.read_pickle",
}  # fmt: skip

ALLOWED = {
    # counts cores; places the processes of a search
    ("srseg/evaluation/_training_speed.py", "joblib"): "cpu_count",
    ("srseg/cli/_search_place.py", "joblib"): "parallel_config",
    # a check for plugin authors: does an estimator survive being pickled, here and now
    ("srseg/testing/_segmenter_rules.py", "pickle"): "",
    ("srseg/testing/_segmenter_rules.py", "joblib"): "",
}


def found_in(text: str) -> list[str]:
    """List what a source says that could make a program of data."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [n.name for n in node.names if n.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").partition(".")[0] in MODULES:
                found.append(f"{node.module}: {', '.join(sorted(n.name for n in node.names))}")
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS:
                found.append(f"{name}()")
            if name.rpartition(".")[2] in ("import_module", "__import__") and not isinstance(
                node.args[0], ast.Constant
            ):
                found.append(f"{name}({ast.unparse(node.args[0])})")
            for option in node.keywords:
                wrong = {"allow_pickle": True, "weights_only": False, "shell": True}
                said = option.value
                if option.arg in wrong and not (
                    isinstance(said, ast.Constant) and said.value is not wrong[option.arg]
                ):
                    found.append(f"{name}({option.arg}={ast.unparse(said)})")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from joblib import load", "import xml.etree.ElementTree as E",
        "eval(a)", "torch.load(path)", "np.load(path, allow_pickle=True)",
        "f(weights_only=flag)", "subprocess.run(a, shell=True)", "importlib.import_module(name)",
    ],
)  # fmt: skip
def test_the_search_finds(text: str) -> None:
    assert found_in(text)


def test_no_source_can_make_a_program_of_data() -> None:
    assert len(SOURCES) > 500
    found = {}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for one in found_in(path.read_text("utf-8")):
            module, _, what = one.partition(": ")
            if ALLOWED.get((name, module.partition(".")[0])) != what:
                found.setdefault(name, []).append(one)
    # names that are written there, not read: the front door, and the doctor's probe of packages
    assert found == {
        "srseg/_lazy.py": ["importlib.import_module(homes[name])"],
        "srseg/doctor/_import_probe.py": ["importlib.import_module(name)"],
    }


_CODE = """
import json, sys
from pathlib import Path
import numpy as np
import srseg
from srseg import Dataset, Volume, load_model
from srseg.backbones import list_backbones
from srseg.errors import SRSegError
from srseg.estimators import create_segmenter, list_segmenters
from srseg.io import open_volume, write_volume
here, mark = Path(sys.argv[1]), Path(sys.argv[2])
seen = {}
seen["listed"] = "marked" in list_segmenters() and "marked" in list_backbones()
array = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
labels = (array > 0).astype(np.uint8)
write_volume(here / "a.mha", Volume.from_array(array, 5.0))
open_volume(here / "a.mha").read()
study = Dataset.create(here / "study")
study.add_sample(here / "a.mha", copy=True)
study.check()
segmenter = create_segmenter(
    "unet", width=2, depth=1, input_size=16, max_iter=1, batch_size=1, validation=None,
    random_state=0,
)
segmenter.fit([array], [labels]).save(here / "a.srseg")
load_model(here / "a.srseg").predict(array)
seen["before"] = mark.exists()
try:
    create_segmenter("marked")
except SRSegError:
    pass
seen["named"] = mark.exists()
print(json.dumps(seen))
"""


def test_plugins_are_loaded_only_when_they_are_named(tmp_path: Path) -> None:
    """One whose import leaves a mark, in every group that there is."""
    mark = tmp_path / "mark"
    site = tmp_path / "site"
    info = site / "marked-1.dist-info"
    info.mkdir(parents=True)
    (site / "marked.py").write_text(f"open({str(mark)!r}, 'w').close()\nthing = None\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: marked\nVersion: 1\n")
    groups = ("segmenters", "backbones", "formats", "viewers")
    (info / "entry_points.txt").write_text(
        "".join(f"[srseg.{group}]\nmarked = marked:thing\n" for group in groups)
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CODE, tmp_path, mark],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(site),
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"listed": True, "before": False, "named": True}
