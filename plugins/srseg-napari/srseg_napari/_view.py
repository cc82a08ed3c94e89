"""A window with a sample; what ``srseg view`` opens."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from srseg.errors import MissingPackageError
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
        If napari is not installed.
    """
    if find_spec("napari") is None:
        raise MissingPackageError(
            "the window is napari's, which is not installed: pip install 'napari[pyside6]'"
        )
    layers = sample_layers(sample, label_sets)
    import napari
    from napari.layers import Layer

    viewer = napari.Viewer(title=f"{sample.name} - srseg")
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    viewer.scale_bar.visible = True
    if block:
        napari.run()
    return viewer
