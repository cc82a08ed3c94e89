"""Read hostile files in a process of its own: ``python run.py GROUP FOLDER`` prints JSON lines.

Each line is the answer to one file; a reader that ends the process leaves the line out.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cases import SECRET, Case
from watch import Watch

MOST = 6 << 30
"""Bytes of address space; libraries take some without using them."""

GROUPS = {
    "volumes": ("hdf5_files", "hdf5_types", "tiff_files", "itk_files", "other_files", "zarr_files"),
    "texts": ("sidecar_files", "table_files", "mesh_files"),
    "models": ("model_files",),
}


def cases_of(group: str) -> list[Case]:
    """List the hostile files of a group."""
    return [case for name in GROUPS[group] for case in importlib.import_module(name).CASES]


def main(group: str, folder: Path, only: str = "") -> None:
    """Make, read and judge every file of a group."""
    warnings.simplefilter("ignore")
    # a bomb that goes off ends this process, and not the machine
    resource.setrlimit(resource.RLIMIT_AS, (MOST, resource.getrlimit(resource.RLIMIT_AS)[1]))
    watch = Watch()
    chosen = [case for case in cases_of(group) if only in f"{case.kind}: {case.name}"]
    for module in GROUPS[group]:
        importlib.import_module(module).warm_up(_fresh(folder / f"warm-{module}"))
    for number, case in enumerate(chosen):
        inside = _fresh(folder / f"{number:03d}")
        print(json.dumps(_in_child(case, inside, watch)), flush=True)


def _in_child(case: Case, inside: Path, watch: Watch) -> dict[str, Any]:
    """Ask in a process that has all imported already: native code may end it."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.close(here)
        with os.fdopen(there, "w", encoding="utf-8") as pipe:
            json.dump(_answer(case, inside, watch), pipe)
        os._exit(0)
    os.close(there)
    with os.fdopen(here, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not text:
        return {
            "kind": case.kind, "name": case.name, "result": "crashed", "error": "",
            "said": f"the process ended with {status}", "harmless": False,
            "file": "", "inside": str(inside), "ms": 0, "mib": 0, "touched": [],
        }  # fmt: skip
    answer: dict[str, Any] = json.loads(text)
    return answer


def _fresh(folder: Path) -> Path:
    inside, forbidden = folder / "in", folder / "outside"
    inside.mkdir(parents=True)
    forbidden.mkdir()
    secret = np.full((3, 4, 5), SECRET, np.uint16)
    (forbidden / "secret.raw").write_bytes(secret.tobytes())
    (forbidden / "secret.txt").write_text('{"secret": true}')
    import h5py

    with h5py.File(forbidden / "secret.h5", "w") as file:
        file["data"] = file["group/data"] = secret
    return inside


def _answer(case: Case, inside: Path, watch: Watch) -> dict[str, Any]:
    from srseg.errors import SRSegError

    path = case.build(inside)
    writes = case.kind.startswith("dataset")
    before = {} if writes else _contents(inside)
    here = Path.cwd()
    error = ""
    watch.start(inside, inside.parent / "outside", writes=writes)
    try:
        said = case.ask(path)
        result = "read"
    except SRSegError as caught:
        result, said, error = "refused", str(caught), type(caught).__name__
    except BaseException as caught:  # whatever else it is, it is a fault
        result, said, error = "failed", repr(caught), type(caught).__name__
    found = watch.stop()
    os.chdir(here)
    if not writes and _contents(inside) != before:
        found["touched"].append("changed the files themselves")
    return {
        "kind": case.kind, "name": case.name, "result": result, "error": error, "said": said,
        "harmless": case.harmless, "file": path.name,
        "inside": str(inside), **found,
    }  # fmt: skip


def _contents(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        small = path.is_file() and not path.is_symlink() and facts.st_size < 1 << 24
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
        found[str(path)] = f"{facts.st_size} {facts.st_mtime_ns} {digest}"
    return found


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
