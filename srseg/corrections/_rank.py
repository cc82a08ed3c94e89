"""The samples of a dataset, in the order in which they want correcting."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from srseg.corrections._uncertainty import uncertainty
from srseg.errors import UnknownNameError
from srseg.io import copy_boxes
from srseg.progress import task

if TYPE_CHECKING:
    from srseg.dataset import Dataset


@dataclass(frozen=True)
class RankedSample:
    """How much of a prediction is expected to be wrong.

    Parameters
    ----------
    sample : str
        Name of the sample.
    prediction : str
        The full name of the prediction.
    expected : float
        How many of its voxels may be expected to be wrong, as far as the disagreement tells.
    share : float
        Which share of its voxels that is, 0 to 1.
    """

    sample: str
    prediction: str
    expected: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON.

        Returns
        -------
        dict
            Values by the name of the parameter.
        """
        return asdict(self)


def rank_samples(dataset: Dataset, prediction: str) -> list[RankedSample]:
    """Rank samples by how many voxels of a prediction are expected to be wrong.

    Parameters
    ----------
    dataset : Dataset
        The samples; those without such a prediction are left out.
    prediction : str
        Name of the prediction, or of its model: ``"srseg-wf/soft9"``, ``"srseg-wf"``.

    Returns
    -------
    list of RankedSample
        The one that wants correcting most is the first.

    Raises
    ------
    UnknownNameError
        If no sample has such a prediction, or its disagreement was not saved.

    Examples
    --------
    >>> from srseg import Dataset
    >>> rank_samples(Dataset("mgbone"), "srseg-wf")  # doctest: +SKIP
    """
    ranked = []
    for sample in dataset:
        full = [p for p in sample.predictions if prediction in (p, p.partition("/")[0])]
        if not full:
            continue
        chance = uncertainty(sample, prediction)
        expected = 0.0
        with task(f"looking at {sample.name}", chance.grid.n_voxels) as progress:
            for box in copy_boxes(chance):
                block = chance.read(box)
                expected += float(block.sum(dtype=float))
                progress.advance(block.size)
        ranked.append(RankedSample(sample.name, full[0], expected, expected / chance.grid.n_voxels))
    if not ranked:
        there = sorted({p for sample in dataset for p in sample.predictions})
        raise UnknownNameError(
            f"none of these samples has a prediction {prediction!r}; they have: "
            f"{', '.join(there) or 'none'}. Make one with: srseg predict MODEL --save disagreement"
        )
    return sorted(ranked, key=lambda one: (-one.expected, one.sample))
