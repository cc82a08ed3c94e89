"""Where to correct next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from srseg.corrections import rank_samples, suggest_over, uncertainty
from srseg.reports._page._parts import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.corrections import Suggestion
    from srseg.dataset import Dataset
    from srseg.volumes import Grid, Volume

_SLICES, _OF_ONE = 10, 5
_CAPTION = (
    "As far as the votes of the planes tell: where all are wrong together, nothing is found. In "
    "brackets: the share of the voxels of the sample, and of what is expected to be wrong in it. "
    "Slices are spread over what is doubtful, the first to be corrected first."
)


@dataclass(frozen=True)
class CorrectNext:
    """What to correct of a prediction.

    Parameters
    ----------
    prediction : str
        Its name.
    table : Table
        The samples, and the slices in them.
    commands : tuple of str
        What exports them, the first to be corrected first.
    """

    prediction: str
    table: Table
    commands: tuple[str, ...]


def correct_next(dataset: Dataset, prediction: str, viewed: Mapping[str, Grid]) -> CorrectNext:
    """Rank samples by the disagreement of a prediction, and divide some slices over them.

    Parameters
    ----------
    dataset : Dataset
        Samples with this prediction and its disagreement.
    prediction : str
        Its full name.
    viewed : mapping of str to Grid
        The voxels that the viewer counts in, by sample: slices of the same voxels become links.

    Returns
    -------
    CorrectNext
        A table, and the commands that export what is to be corrected.
    """
    ranked = rank_samples(dataset, prediction)
    volumes = [
        (uncertainty(dataset[one.sample], prediction), dataset[one.sample].labels(prediction))
        for one in ranked
    ]
    slices: list[list[Suggestion]] = [[] for _ in ranked]
    first: dict[int, None] = {}
    for position, place in suggest_over(volumes, _SLICES if len(ranked) > 1 else _OF_ONE):
        slices[position].append(place)
        first[position] = None
    rows = [
        [
            one.sample,
            f"{one.expected:,.0f} ({100 * one.share:.2f} %)",
            _said(found, one.sample if _same(viewed.get(one.sample), labels) else ""),
        ]
        for one, found, (_, labels) in zip(ranked, slices, volumes, strict=True)
    ]
    commands = tuple(_command(ranked[i].sample, prediction, slices[i]) for i in first)
    heads = ["sample", "voxels expected to be wrong", "slices to correct"]
    return CorrectNext(prediction, Table(heads, rows, [_CAPTION], words=(0, 2)), commands)


def _same(grid: Grid | None, labels: Volume) -> bool:
    return grid is not None and grid.same_as(labels.grid)


def _said(found: list[Suggestion], viewed: str) -> str:
    """Name slices; as links that show them in the viewer, where it has the sample."""
    link = Markup(
        '<a href="#look" data-viewer-sample="{}" data-viewer-slice="{}:{}">{}</a> ({:.1f} %)'
    )
    plain = Markup("{3} ({4:.1f} %)")
    text = link if viewed else plain
    cells = [text.format(viewed, one.axis, one.index, one.name, 100 * one.share) for one in found]
    return Markup(", ").join(cells) or "–"


def _command(sample: str, prediction: str, found: list[Suggestion]) -> str:
    places = f"{found[0].axis}:{','.join(str(one.index) for one in found)}"
    return (
        f"srseg correct export {sample} --labels {prediction} --at {places} "
        f"--out {sample}-to-correct"
    )
