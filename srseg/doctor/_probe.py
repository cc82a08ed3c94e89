"""Trying in a process of its own what may crash or hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srseg


@dataclass(frozen=True)
class Answer:
    """What a probe said.

    Parameters
    ----------
    lines : list of dict
        The JSON documents that it wrote, one a line; what else was written is left out.
    trouble : str
        Why it did not come to its end; empty where it did.
    late : bool, default=False
        Whether it was ended because it took too long.
    """

    lines: list[dict[str, Any]]
    trouble: str
    late: bool = False


def ask(module: str, *arguments: str, limit: float = 25.0) -> Answer:
    """Run a module of this room in a new process.

    Parameters
    ----------
    module : str
        Its name, without the package.
    *arguments : str
        For its command line.
    limit : float, default=25.0
        Seconds after which it is ended.

    Returns
    -------
    Answer
        What it wrote.
    """
    home = str(Path(srseg.__file__).parents[1])
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), home]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    # -P: a file torch.py in the current folder is not what is asked for
    command = [sys.executable, "-P", "-m", f"srseg.doctor.{module}", *arguments]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", env=environment,
    ) as process:  # fmt: skip
        trouble, late = "", False
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            trouble, late = f"no answer within {limit:g} s", True
    if not trouble and process.returncode < 0:
        trouble = f"ended by signal {-process.returncode}"
    elif not trouble and process.returncode:
        said = err.strip().splitlines()
        trouble = said[-1] if said else f"ended with code {process.returncode}"
    lines = []
    for line in out.splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                lines.append(found)
    return Answer(lines, trouble, late)
