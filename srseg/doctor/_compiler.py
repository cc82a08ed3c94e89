"""The compiler that ``--runtime compile`` needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from srseg.doctor._finding import Finding, one_line

_PROGRAM = "#include <Python.h>\n#include <omp.h>\n#include <vector>\nint f() { return 0; }\n"
_REMEDY = (
    "only --runtime compile needs it: install g++ and the headers of Python (python3-dev, or a "
    "Python of conda or uv, which has them)"
)


def compiler() -> list[Finding]:
    """Tell whether there is a C++ compiler that torch.compile can work with.

    It is looked for as torch does: ``$CXX``, else ``g++`` (on a Mac ``clang++``).
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    path = shutil.which(name)
    if path is None:
        return [Finding("compiler", "better", f"no {name} for torch.compile", _REMEDY)]
    include = sysconfig.get_paths()["include"]
    flags = [] if sys.platform == "darwin" else ["-fopenmp"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        program = _PROGRAM if flags else _PROGRAM.replace("#include <omp.h>\n", "")
        source.write_text(program)
        done = subprocess.run(  # noqa: S603
            [path, *flags, f"-I{include}", "-c", str(source), "-o", str(source.with_suffix(".o"))],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    facts = {"path": path, "works": done.returncode == 0}
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        why = one_line(errors[0] if errors else done.stderr)
        text = f"{path} cannot build what torch.compile makes: {why}"
        return [Finding("compiler", "better", text, _REMEDY, facts)]
    return [Finding("compiler", "ok", f"{path}, for --runtime compile", facts=facts)]
