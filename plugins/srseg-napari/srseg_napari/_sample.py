"""A sample of a dataset as layers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.dataset import Dataset
from srseg.errors import UnknownNameError
from srseg_napari._frame import Frame
from srseg_napari._layers import labels_layer, map_layer, scan_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset import DatasetSample
    from srseg_napari._layers import Layer


def sample_layers(sample: DatasetSample, label_sets: Sequence[str] | None = None) -> list[Layer]:
    """Give the scan of a sample, its labels, and what was saved with predictions.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    label_sets : sequence of str, optional
        Label sets and predictions; all that there are where it is None. The axes are those of the
        first.

    Returns
    -------
    list of layer
        The scan, maps of disagreement (hidden), labels: the first is shown, the others hidden.
    """
    wanted = [*sample.label_sets, *sample.predictions] if label_sets is None else list(label_sets)
    labels = [(name, sample.labels(name)) for name in wanted]
    scan = sample.scan
    frame = Frame(labels[0][1].grid if labels else scan.grid)
    layers = [scan_layer(scan, frame, sample.name)]
    for name in wanted:
        with suppress(UnknownNameError):  # was not saved with it, or is no prediction
            maps = sample.disagreement(name)
            layers += [map_layer(v, frame, f"{name} {what}") for what, v in maps.items()]
    # the first one is shown, and so lies on top
    for i, (name, volume) in reversed(list(enumerate(labels))):
        of = {"sample": sample.name, "label_set": name}
        layers.append(labels_layer(volume, frame, name, of=of, visible=i == 0))
    return layers


def open_sample(
    dataset: Path = Path(), sample: str = "", labels: str = ""
) -> list[Any]:  # a list of Layer; magicgui looks at the words
    """Give the layers of a sample: what the widget of the plugin asks for.

    Parameters
    ----------
    dataset : Path
        The dataset folder.
    sample : str
        Name of the sample; may be left out where there is only one.
    labels : str
        Names of label sets and predictions, with commas between; all where it is empty.

    Returns
    -------
    list of layer
        As `sample_layers` gives them.

    Raises
    ------
    UnknownNameError
        If there is no such sample or label set, or the dataset has several and none is named.
    """
    opened = Dataset(dataset)
    name = sample.strip()
    if not name:
        if len(opened) != 1:
            raise UnknownNameError(
                f"{opened.path} has {len(opened)} samples; name one of: "
                f"{', '.join(opened.names) or 'none yet'}"
            )
        name = opened.names[0]
    sets = [text.strip() for text in labels.split(",") if text.strip()]
    return sample_layers(opened[name], sets or None)
