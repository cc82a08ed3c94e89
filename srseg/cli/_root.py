"""What is the same for every command: errors, warnings, progress, exit codes."""

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from srseg.cli._output import note
from srseg.cli._progress import progress_bars, stopping_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 1
PROBLEMS = 3
STOPPED = 130
TERMINATED = 143


class RootGroup(TyperGroup):
    """The root command: turns errors into one line and an exit code.

    0 done; 1 the work failed; 2 the command line is wrong (typer's own); 3 a check found problems;
    130 stopped with Ctrl-C; 143 with SIGTERM, as batch systems do when time is up.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        from srseg.errors import SRSegError
        from srseg.progress import Stopped

        debug = bool(ctx.params.get("debug"))
        try:
            with _warnings_as_lines(), progress_bars(), stopping_on_sigterm():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            note("srseg: stopped; what was finished before is kept")
            raise typer.Exit(STOPPED) from None
        except Stopped:
            note(
                "srseg: stopped by SIGTERM; what was finished before is kept: to go on, run the "
                "same command again"
            )
            raise typer.Exit(TERMINATED) from None
        except SRSegError as error:
            if debug:
                raise
            # an OSError would show its number before its words
            note(f"srseg: error: {getattr(error, 'strerror', None) or error}")
            raise typer.Exit(FAILED) from None
        except BrokenPipeError:
            raise
        except (OSError, MemoryError) as error:
            if debug:
                raise
            note(f"srseg: error: {error or type(error).__name__}")
            raise typer.Exit(FAILED) from None
        except Exception as error:
            # typer's own exceptions carry an exit code or show themselves
            if debug or hasattr(error, "exit_code"):
                raise
            note(
                f"srseg: error: unexpected {type(error).__name__}: {error} (this is a bug in srseg "
                "or a plugin; run the command again as: srseg --debug …, and report the traceback)"
            )
            raise typer.Exit(FAILED) from None


@contextmanager
def _warnings_as_lines() -> "Iterator[None]":
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        note(f"srseg: warning: {message}")

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
