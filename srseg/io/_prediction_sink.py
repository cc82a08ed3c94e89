"""Take what was predicted, slab by slab: labels, and what may be saved with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from srseg.errors import GridError, ParameterError
from srseg.io._maps import MAPS, in_steps
from srseg.io._slabs import MOST_BYTES, checked_slabs
from srseg.machine import ahead
from srseg.progress import task
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from srseg.io._maps import PredictionMap
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Volume

LABELS = "labels"
"""What the labels are called among the parts of a prediction."""


class SlabSink(Protocol):
    """Takes voxels slab by slab, as ``sink[z0:z1] = block``."""

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any], /) -> None:
        """Take a slab of any thickness; the slabs come from the first slice to the last."""


class PredictionSink:
    """Takes what was predicted, slab by slab, from the first slice to the last.

    Parameters
    ----------
    sinks : mapping of str to sequence of SlabSink
        Where the labels go, and each map that is saved: one sink, or one for each class.
    grids : mapping of str to Grid
        Where their voxels lie.
    table : LabelTable
        The classes.

    Attributes
    ----------
    labels : SlabSink
        Takes uint8 of shape (z, Y, X): values of the label table.
    probabilities : SlabSink or None
        Takes floats of 0 to 1, or their 255ths as uint8, of shape (K, z, Y, X); None where they are
        not saved.
    entropy, margin : SlabSink or None
        Take floats of 0 to 1, or their 255ths as uint8, of shape (z, Y, X).
    """

    def __init__(
        self,
        sinks: Mapping[str, Sequence[SlabSink]],
        grids: Mapping[str, Grid],
        table: LabelTable,
    ) -> None:
        self.labels: SlabSink = _Labels(sinks[LABELS][0], table)
        maps: dict[str, SlabSink | None] = {
            name: _Map(one, sinks[name]) if name in sinks else None for name, one in MAPS.items()
        }
        self.probabilities = maps["probabilities"]
        self.entropy = maps["entropy"]
        self.margin = maps["margin"]
        self._maps = maps
        self._grids = grids
        self._table = table

    def fill(
        self,
        labels: Volume,
        *,
        probabilities: Callable[[int, int], NDArray[Any]] | None = None,
        entropy: Volume | None = None,
        margin: Volume | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Write all of a prediction; the next slab is read while one is packed.

        Parameters
        ----------
        labels : Volume
            The labels, which are checked against the table.
        probabilities : callable, optional
            ``probabilities(start, stop)`` gives those of some slices: (K, stop - start, Y, X).
        entropy, margin : Volume, optional
            The disagreement.
        most_bytes : int, default=512 MiB
            How much is read at a time. The sinks hold 64 slices beside that, at one byte a voxel
            for the labels, each class and each map.

        Raises
        ------
        ParameterError
            If something is given that is not saved, or the other way round.
        GridError
            If a volume lies on another grid.
        """
        given: dict[str, Any] = {
            "probabilities": probabilities, "entropy": entropy, "margin": margin,
        }  # fmt: skip
        for name, source in given.items():
            if (source is None) != (self._maps[name] is None):
                raise ParameterError(
                    f"the {name} are "
                    + ("to be saved, and not given" if source is None else "given, and not saved")
                )
        for name, volume in {LABELS: labels, "entropy": entropy, "margin": margin}.items():
            if volume is not None and volume.grid != self._grids[name]:
                raise GridError(
                    f"the {name} lie on {volume.grid}, and {self._grids[name]} was to be written"
                )
        for start, block in checked_slabs(labels, "writing the labels"):
            self.labels[start : start + len(block)] = block
        for name, source in given.items():
            if source is not None:
                self._fill_map(name, source, most_bytes)

    def _fill_map(self, name: str, source: Any, most_bytes: int) -> None:
        depth, rows, columns = self._grids[name].shape
        sink = self._maps[name]
        # of a slab that is read as float32, and two as bytes
        each = 6 * rows * columns * (len(self._table) if MAPS[name].of_classes else 1)
        thickness = CHUNK
        while thickness > 1 and thickness * each > most_bytes:
            thickness //= 2

        def read(start: int) -> tuple[int, int, NDArray[np.uint8]]:
            stop = min(start + thickness, depth)
            if MAPS[name].of_classes:
                values = source(start, stop)
            else:
                values = source.read((slice(start, stop), slice(0, rows), slice(0, columns)))
            return start, stop, in_steps(values, name)

        with task(f"writing the {name}", depth) as progress:
            for start, stop, block in ahead(read, range(0, depth, thickness), threads=1):
                assert sink is not None  # noqa: S101 - looked at before
                sink[start:stop] = block
                progress.advance(stop - start)


class _Labels:
    """Takes labels, and refuses those that the table lacks."""

    def __init__(self, sink: SlabSink, table: LabelTable) -> None:
        self._sink = sink
        self._table = table

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any]) -> None:
        self._table.check(block, where="the predicted labels")
        self._sink[region] = block


class _Map:
    """Takes a quantity of 0 to 1, and keeps 255ths."""

    def __init__(self, one: PredictionMap, sinks: Sequence[SlabSink]) -> None:
        self._map = one
        self._sinks = sinks

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any]) -> None:
        steps = in_steps(block, self._map.name)
        if not self._map.of_classes:
            self._sinks[0][region] = steps
            return
        if steps.ndim != 4 or len(steps) != len(self._sinks):
            raise ParameterError(
                f"the {self._map.name} of {len(self._sinks)} classes are expected as (K, z, Y, X), "
                f"found an array of shape {steps.shape}"
            )
        for sink, one in zip(self._sinks, steps, strict=True):
            sink[region] = one
