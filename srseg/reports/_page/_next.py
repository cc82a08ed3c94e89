"""Where to correct next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srseg.corrections import rank_samples, suggest_slices, uncertainty
from srseg.reports._page._parts import Table

if TYPE_CHECKING:
    from srseg.corrections import RankedSample
    from srseg.dataset import Dataset

_SLICES = 5
_SAMPLES = 5
_CAPTION = (
    "As far as the votes of the planes tell. In brackets: the share of what is expected to be "
    "wrong in the sample that lies in the slice."
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
    first : str
        The sample to begin with.
    """

    prediction: str
    table: Table
    first: str


def correct_next(dataset: Dataset, prediction: str) -> CorrectNext:
    """Rank samples by the disagreement of a prediction, and choose slices in the first of them.

    Parameters
    ----------
    dataset : Dataset
        Samples with this prediction and its disagreement.
    prediction : str
        Its full name.

    Returns
    -------
    CorrectNext
        A table.
    """
    ranked = rank_samples(dataset, prediction)
    rows = [_row(dataset, one, chosen=i < _SAMPLES) for i, one in enumerate(ranked)]
    return CorrectNext(
        prediction,
        Table(
            ["sample", "voxels expected to be wrong", "slices to correct first"],
            rows,
            [_CAPTION],
            words=(0, 2),
        ),
        ranked[0].sample,
    )


def _row(dataset: Dataset, one: RankedSample, *, chosen: bool) -> list[str]:
    slices = "–"
    if chosen:
        found = suggest_slices(uncertainty(dataset[one.sample], one.prediction), _SLICES)
        slices = ", ".join(f"{s.name} ({100 * s.share:.1f} %)" for s in found) or "–"
    return [one.sample, f"{one.expected:,.0f} ({100 * one.share:.2f} %)", slices]
