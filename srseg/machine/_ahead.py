"""Working ahead of where results are used."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from srseg.machine._cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 4  # threads: each holds its share of a volume, and disks feed no more


def ahead(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int | None = None,
    *,
    depth: int | None = None,
) -> Iterator[_Result]:
    """Call a function for each item in threads, some items ahead of where the results are used.

    Parameters
    ----------
    function : callable
        What is called; it spends its time where other threads can run: in numpy, reading, writing.
    items : iterable
        What it is called with.
    threads : int, optional
        How many threads; one for each usable core, but at most 4, where it is None.
    depth : int, optional
        How many results are held, beside the one that is used; as many as threads where it is None.

    Yields
    ------
    object
        The results, in the order of the items.

    Examples
    --------
    >>> list(ahead(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    threads = threads or min(usable_cores(), _AHEAD)
    depth = depth or threads
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
