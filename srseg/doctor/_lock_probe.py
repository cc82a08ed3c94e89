"""Whether a file system has locks: one process holds one, another asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from srseg.errors import InUseError
from srseg.storage import locked


def main(arguments: list[str]) -> None:
    """Hold the lock of a file, let a second process ask for it, and write what it got."""
    path, second = Path(arguments[0]), len(arguments) > 1
    if second:
        try:
            with locked(path, timeout=0):
                got = True
        except InUseError:
            got = False
        print(json.dumps({"got": got}))  # noqa: T201 - how a probe answers
        return
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with locked(path, timeout=0):
                done = subprocess.run(  # noqa: S603
                    [sys.executable, "-P", "-m", "srseg.doctor._lock_probe", str(path), "second"],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
    finally:
        for name in (f".{path.name}.lock", f".{path.name}.holder"):
            with suppress(OSError):
                path.with_name(name).unlink()
    got = json.loads(done.stdout)["got"]
    print(json.dumps({"excludes": not got, "said": [str(w.message) for w in said]}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
