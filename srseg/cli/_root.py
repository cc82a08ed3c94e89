"""What is the same for every command: errors, warnings, progress, exit codes."""

import inspect
import os
import sys
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from srseg.cli._errors import words_of
from srseg.cli._output import AS_JSON, note, say_json, warn_in_lines
from srseg.cli._progress import progress_bars
from srseg.cli._signals import stopping_on_signals
from srseg.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 1
PROBLEMS = 3
STOPPED = 130
PIPE_CLOSED = 141


class RootGroup(TyperGroup):
    """The root command: turns errors into one line and an exit code.

    0 done; 1 the work failed; 2 the command line is wrong (typer's own); 3 a check found problems;
    75 stopped with SIGUSR1, to be started again (EX_TEMPFAIL); 130 stopped with Ctrl-C; 141 nobody
    reads the answer, as after ``| head``; 143 stopped with SIGTERM, as batch systems do when time
    is up.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _flow(self)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        from srseg.progress import Stopped

        debug = bool(ctx.params.get("debug"))
        try:
            with _warnings_as_lines(), progress_bars(), stopping_on_signals() as request:
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            _tell(ctx, error, "stopped; what was finished before is kept")
            raise typer.Exit(STOPPED) from None
        except Stopped as error:
            _tell(
                ctx, error,
                f"stopped by {request.signal}; what was finished before is kept: to go on, run the "
                "same command again",
            )  # fmt: skip
            raise typer.Exit(request.code) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            # typer's own exceptions carry an exit code or show themselves
            if hasattr(error, "message"):
                error.message = shown(str(error.message))
            if hasattr(error, "format_message") and ctx.meta.get(AS_JSON):
                say_json({"error": error.format_message(), "kind": "UsageError"})
            if hasattr(error, "exit_code"):
                raise
            if debug:
                # not by Python itself: what an error quotes from a file may steer the terminal
                typer.echo(shown("".join(traceback.format_exception(error))), err=True, nl=False)
            _tell(ctx, error, words_of(error), "error: ")
            raise typer.Exit(FAILED) from None


def _flow(command: Any) -> None:
    """Let each paragraph of help flow: typer keeps the line breaks of all but the first."""
    if command.help:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(" ".join(each.split("\n")) for each in paragraphs)
    for each in getattr(command, "commands", {}).values():
        _flow(each)


def _tell(ctx: Any, error: BaseException, text: str, kind: str = "") -> None:
    """Say why it ended, and where JSON is awaited, in a document too."""
    note(f"srseg: {kind}{text}")
    if ctx.meta.get(AS_JSON):
        say_json({"error": text, "kind": type(error).__name__})


def end_quietly(end: SystemExit) -> Any:
    """Give the exit code of a command, after what it said was taken, or nobody reads it any more.

    Where the pipe is closed, as by ``head``, nothing is said, also not by Python when it ends.
    """
    # from here typer and rich end with 1
    closed = isinstance(end.__context__, BrokenPipeError)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            # typer puts a wrapper around what it could not write to, which swallows the error
            getattr(stream, "wrapped", stream).flush()
        except BrokenPipeError:
            closed = True
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
                os.dup2(nowhere.fileno(), stream.fileno())
    return PIPE_CLOSED if closed else end.code


@contextmanager
def _warnings_as_lines() -> "Iterator[None]":
    with warnings.catch_warnings():
        warn_in_lines()
        yield
