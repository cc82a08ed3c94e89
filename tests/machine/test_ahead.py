"""Results in order, so many ahead and no more, and no thread left."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from srseg.machine import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(("threads", "depth"), [(1, 1), (3, None), (3, 1), (2, 7), (2, 99)])
def test_the_order_is_that_of_the_items(threads: int, depth: int | None) -> None:
    def work(n: int) -> int:
        time.sleep(0.002 * (n % 3))  # later ones are done earlier
        return n * n

    assert list(ahead(work, range(20), threads, depth=depth)) == [n * n for n in range(20)]
    assert list(ahead(work, [], threads, depth=depth)) == []


@pytest.mark.parametrize(("threads", "depth"), [(1, 1), (2, 1), (3, None), (2, 6)])
def test_no_more_is_begun_than_is_asked_for(threads: int, depth: int | None) -> None:
    begun: list[int] = []
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(n: int) -> int:
        with lock:
            begun.append(n)
            running.append(n)
            most.append(len(running))
        time.sleep(0.002)
        with lock:
            running.remove(n)
        return n

    items = iter(range(30))
    results = ahead(work, items, threads, depth=depth)
    assert begun == []  # nothing before it is asked for
    held = depth or threads
    for number in range(4):
        assert next(results) == number
        # the one that is used, and those that are held
        end = time.monotonic() + 10
        while len(begun) < number + 1 + held and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.01)
        assert sorted(begun) == list(range(number + 1 + held))
        assert max(most) <= threads
    assert next(items) == 4 + held  # nor was more taken of the items
    results.close()


def test_an_error_comes_in_its_turn_and_what_was_not_begun_is_left() -> None:
    begun: list[int] = []

    def fail(n: int) -> int:
        begun.append(n)
        return 60 // (5 - n)

    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(ahead(fail, range(100), threads=2, depth=3))
    assert found == [12, 15, 20, 30, 60]
    assert len(begun) <= 5 + 1 + 3


def test_an_error_of_the_items_is_told() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more to read")

    with pytest.raises(ValueError, match="no more to read"):
        list(ahead(abs, items(), threads=2))


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closed_early_it_lets_no_thread_work_on(taken: int) -> None:
    gate = threading.Event()
    done: list[int] = []

    def work(n: int) -> int:
        if n >= taken:
            gate.wait(10)
        done.append(n)
        return n

    results = ahead(work, range(1000), threads=2, depth=50)
    assert [next(results) for _ in range(taken)] == list(range(taken))
    opener = threading.Timer(0.3, gate.set)
    opener.start()
    results.close()
    count = len(done)
    opener.join()
    # those at work were awaited, those that waited are never begun
    assert len(done) == count <= taken + 2
    assert list(results) == []
