"""The command line: wiring and text, nothing else."""

from srseg.cli._app import app, main

__all__ = ["app", "main"]
