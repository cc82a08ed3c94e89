"""``srseg view``."""

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import note, say_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = "Example: srseg view A --labels WF --labels srseg-wf/soft9 -d mgbone"

_VIEWER = "napari"


def view(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Name of the sample.")],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET", show_default=False,
            help="A label set, or a prediction such as srseg-wf/soft9; repeat it for more "
            "(default: all that there are). The first one is shown, the others can be switched on.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Open the scan and labels of a sample in napari, with the disagreement that was saved.

    Labels can be painted on there and saved to a file, which srseg dataset label takes back; the
    dataset stays as it is. It needs napari and the plugin srseg-napari.
    """
    archive = open_dataset(dataset)
    chosen = archive.select(name=[sample])[0]
    wanted = list(dict.fromkeys(labels)) if labels else [*chosen.label_sets, *chosen.predictions]
    for name in wanted:
        chosen.labels_sidecar(name)  # refused before a window opens
    show = _viewer()
    _require_display()
    note(f"showing {sample} with {', '.join(wanted) or 'no labels'}; close the window to go on")
    with _ended_by_sigterm():
        show(chosen, wanted)
    if as_json:
        say_json({"dataset": str(archive.path), "sample": sample, "label_sets": wanted})


def _viewer() -> "Callable[..., object]":
    """Find what opens the window: the plugin's."""
    from srseg.errors import MissingPackageError
    from srseg.registry import Registry

    viewers: Registry[Callable[..., object]] = Registry("srseg.viewers", "viewer")
    if _VIEWER not in viewers.names():
        raise MissingPackageError(
            "srseg view needs napari and the plugin srseg-napari: in a checkout of srseg, "
            "pip install './plugins/srseg-napari[viewer]'. Without them, srseg report makes a page "
            "to look at in a browser"
        )
    return viewers.get(_VIEWER)


@contextmanager
def _ended_by_sigterm() -> "Iterator[None]":
    """Let SIGTERM end the process: in the loop of a window, ours would be heard late or never."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread takes signals
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _require_display() -> None:
    """Refuse where there is no screen: Qt would end the process."""
    from srseg.errors import SRSegError

    shown = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in shown):
        raise SRSegError(
            "there is no screen to open a window on (DISPLAY is not set); log in with ssh -X or a "
            "remote desktop, or make a page for the browser with: srseg report"
        )
