"""A window with a sample; what ``srseg view`` opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.errors import MissingPackageError
from srseg_napari._layers import KEY
from srseg_napari._sample import sample_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset import DatasetSample


def view_sample(
    sample: DatasetSample, label_sets: Sequence[str] | None = None, *, block: bool = True
) -> Any:
    """Open a window with a sample.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    label_sets : sequence of str, optional
        Label sets and predictions; all that there are where it is None.
    block : bool, default=True
        Whether to wait until the window is closed.

    Returns
    -------
    napari.Viewer
        The window.

    Raises
    ------
    MissingPackageError
        If napari, or a Qt that it can use, is not installed.
    """
    try:
        import napari
        from napari.layers import Layer

        viewer = napari.Viewer(title=f"{sample.name} - srseg")
    except ImportError as error:
        raise MissingPackageError(
            f"the window is napari's, which cannot be opened ({error}): "
            "pip install 'napari[pyside6]'"
        ) from error
    layers = sample_layers(sample, label_sets)
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    # the canvas has it since napari 0.9
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", viewer)
    overlays.scale_bar.visible = True
    tables = [layer[1]["metadata"][KEY]["table"] for layer in layers if layer[2] == "labels"]
    text = overlays.text if hasattr(overlays, "text") else viewer.text_overlay
    text.text = "  ".join(f"{row['index']} {row['name']}" for row in tables[0]) if tables else ""
    text.visible = bool(tables)
    if block:
        napari.run()
    return viewer
