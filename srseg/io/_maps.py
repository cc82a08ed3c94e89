"""What can be saved beside predicted labels: what the numbers mean, and how they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from srseg.errors import ParameterError
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Region

# of a step: sums of float32 may be that far out
_ROUNDING = 0.25

Saved = Literal["probabilities", "disagreement"]

SAVES: tuple[Saved, ...] = ("probabilities", "disagreement")
"""What may be asked for: the probability of each class, and entropy and margin of the votes."""

STEPS = 255
"""The numbers are kept in 255ths, as bytes that any viewer shows.

Of two bytes (float16) most would be noise: they were measured to take three times the space on disk
and twice the time to pack. The labels come from the votes themselves, never from these numbers.
"""


@dataclass(frozen=True)
class PredictionMap:
    """A quantity of 0 to 1 for each voxel, kept in 255ths.

    Parameters
    ----------
    name : str
        What it is called: ``"probabilities"``, ``"entropy"``, ``"margin"``.
    suffix : str
        The end of the names of its files; ``probseg`` is BIDS', the others follow its form.
    of_classes : bool
        Whether each class has a volume of its own.
    definition : str
        What the numbers are.
    """

    name: str
    suffix: str
    of_classes: bool
    definition: str

    def facts(self, table: LabelTable) -> dict[str, Any]:
        """Give what a sidecar says of the numbers.

        Parameters
        ----------
        table : LabelTable
            The classes.

        Returns
        -------
        dict
            ``Description``, ``Units``, ``Scaling``, and ``LabelMap`` where each class has a volume.
        """
        said: dict[str, Any] = {
            "Description": self.definition,
            "Units": "1",
            "Scaling": {"Factor": 1 / STEPS, "Offset": 0.0},
        }
        if self.of_classes:
            said["LabelMap"] = list(table.names)
        return said


MAPS = {
    one.name: one
    for one in (
        PredictionMap(
            "probabilities", "probseg", True,
            "Probability of each class: the mean over the planes (soft voting), or the share of "
            "the planes that vote for it (hard voting); all 0 where nothing was predicted",
        ),
        PredictionMap(
            "entropy", "entropy", False,
            "Entropy of the probabilities p of the K classes, -sum(p ln p) / ln K: 0 where one "
            "class is certain, 1 where all are alike; 0 where nothing was predicted",
        ),
        PredictionMap(
            "margin", "margin", False,
            "Largest probability less the second largest: 1 where one class is certain, 0 where "
            "two tie; 0 where nothing was predicted",
        ),
    )
}  # fmt: skip
"""The maps by name."""


def maps_of(saves: Iterable[str]) -> list[PredictionMap]:
    """List the maps that are saved.

    Parameters
    ----------
    saves : iterable of {"probabilities", "disagreement"}
        What is asked for.

    Returns
    -------
    list of PredictionMap
        In the order of `MAPS`.

    Raises
    ------
    ParameterError
        If something else is asked for.
    """
    wanted = set(saves)
    if wanted - set(SAVES):
        raise ParameterError(
            f"what can be saved beside labels is {', '.join(SAVES)}, found "
            f"{', '.join(map(repr, sorted(wanted - set(SAVES))))}"
        )
    names = {"probabilities"} if "probabilities" in wanted else set()
    if "disagreement" in wanted:
        names |= {"entropy", "margin"}
    return [one for one in MAPS.values() if one.name in names]


def as_steps(volume: Volume) -> Volume:
    """Give a map as the bytes that are kept of it, still unread.

    Parameters
    ----------
    volume : Volume
        Numbers of 0 to 1.

    Returns
    -------
    Volume
        Their 255ths, uint8.
    """
    return Volume(_Steps(volume), volume.grid)


class _Steps:
    """The voxels of a map in 255ths."""

    dtype = np.dtype(np.uint8)

    def __init__(self, volume: Volume) -> None:
        self.shape = volume.shape
        self._volume = volume

    def __getitem__(self, region: Region) -> NDArray[np.uint8]:
        return in_steps(self._volume.read(region), "a map")


def in_steps(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Round numbers of 0 to 1 to 255ths.

    Parameters
    ----------
    values : ndarray
        The numbers; bytes are 255ths already, and are given back.
    name : str
        What they are called in messages.

    Returns
    -------
    ndarray of uint8, of the same shape
        The 255ths.

    Raises
    ------
    ParameterError
        If a number is not of 0 to 1.
    """
    values = np.asarray(values)
    if values.dtype == np.uint8:
        return values
    out = np.empty(values.shape, np.uint8)
    scaled = np.empty(values.shape[-2:], np.float32)
    for index in np.ndindex(values.shape[:-2]):
        # slice by slice, which stays in the cache
        np.multiply(values[index], np.float32(STEPS), out=scaled, casting="unsafe")
        scaled += np.float32(0.5)
        low, high = scaled.min(initial=0.5), scaled.max(initial=0.5)
        if not (low > 0.5 - _ROUNDING and high < STEPS + 0.5 + _ROUNDING):
            raise ParameterError(
                f"{name}: numbers of 0 to 1 are expected, found {(low - 0.5) / STEPS:g} to "
                f"{(high - 0.5) / STEPS:g}"
            )
        np.copyto(out[index], scaled, casting="unsafe")
    return out
