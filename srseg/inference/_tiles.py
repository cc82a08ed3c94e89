"""A volume cut into cubes: which there are, and what part of a box lies in which."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.volumes import Region

Tile = tuple[int, int, int]
"""Position of a tile, in tiles along (z, y, x)."""


@dataclass(frozen=True)
class Tiling:
    """Cubes of equal edge over a volume; those at its end reach past it.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    edge : int
        Number of voxels along each edge of a tile.

    Examples
    --------
    >>> tiling = Tiling((5, 4, 4), edge=4)
    >>> tiling.counts, tiling.number((1, 0, 0))
    ((2, 1, 1), 1)
    >>> for tile, inside, outside in tiling.parts((slice(3, 5), slice(0, 4), slice(2, 4))):
    ...     print(tile, inside[0], outside[0])
    (0, 0, 0) slice(3, 4, None) slice(0, 1, None)
    (1, 0, 0) slice(0, 1, None) slice(1, 2, None)
    """

    shape: tuple[int, int, int]
    edge: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of tiles along z, y, x."""
        z, y, x = (-(-n // self.edge) for n in self.shape)
        return z, y, x

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        z, y, x = self.counts
        return z * y * x

    def number(self, tile: Tile) -> int:
        """Give the place of a tile in the order z, y, x.

        Parameters
        ----------
        tile : tuple of int
            Its position.

        Returns
        -------
        int
            0 to ``n_tiles - 1``.
        """
        _, rows, columns = self.counts
        return (tile[0] * rows + tile[1]) * columns + tile[2]

    def parts(self, region: Region) -> Iterator[tuple[Tile, Region, Region]]:
        """Cut a box along the bounds of the tiles.

        Parameters
        ----------
        region : tuple of three slices
            The box.

        Yields
        ------
        tile : tuple of int
            A tile that holds a part of the box.
        inside : tuple of three slices
            Where in the tile the part lies.
        outside : tuple of three slices
            Where in the box it lies.
        """
        for steps in itertools.product(*(self._steps(part) for part in region)):
            (z, z_in, z_out), (y, y_in, y_out), (x, x_in, x_out) = steps
            yield (z, y, x), (z_in, y_in, x_in), (z_out, y_out, x_out)

    def _steps(self, part: slice) -> list[tuple[int, slice, slice]]:
        steps: list[tuple[int, slice, slice]] = []
        if part.stop <= part.start:
            return steps
        for index in range(part.start // self.edge, -(-part.stop // self.edge)):
            before = index * self.edge
            first, last = max(part.start, before), min(part.stop, before + self.edge)
            steps.append(
                (
                    index,
                    slice(first - before, last - before),
                    slice(first - part.start, last - part.start),
                )
            )
        return steps
