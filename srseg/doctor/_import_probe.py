"""Import packages one after the other; run in a process of its own, which may crash."""

from __future__ import annotations

import importlib
import json
import sys


def main(modules: list[str]) -> None:
    """Write a line of JSON before and after each import, to know the one that crashed."""
    for name in modules:
        print(json.dumps({"begins": name}), flush=True)  # noqa: T201 - how a probe answers
        error = ""
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as caught:
            error = f"{type(caught).__name__}: {caught}"
        print(json.dumps({"ends": name, "error": error}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
