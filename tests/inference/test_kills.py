"""SIGKILL at every moment of a commit, and at random ones: the votes are the same, bit by bit.

A handful of random kills by default; ``SRSEG_KILLS=50`` for the long run.
"""

import json
import os
import random
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srseg.inference import Ballot, MemoryVotes

KILLS = int(os.environ.get("SRSEG_KILLS", "2"))
SCRIPT = Path(__file__).with_name("_voters.py")
voters = runpy.run_path(str(SCRIPT))


def expected(voting, shape, edge, slabs):
    """Vote in memory, never killed; with no slabs of our own, the engine makes them."""
    votes = MemoryVotes(Ballot(4, voters["PLANES"], voting), shape, edge)
    if slabs:
        voters["vote"](votes, shape=shape, slabs=slabs)
    else:
        voters["predict"](votes)
    return voters["digest"](votes)


@pytest.fixture(scope="module")
def do():
    """Give what does a job in a process of its own; None is said where that died."""
    with subprocess.Popen(
        [sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:

        def job(folder, *, step=None, half=False, seconds=None, discard=False, **volume):
            volume = {
                "voting": "soft", "shape": voters["SHAPE"], "edge": voters["EDGE"],
                "slabs": voters["SLABS"], **volume,
            }  # fmt: skip
            line = {
                "folder": str(folder), "step": step, "half": half, "seconds": seconds,
                "discard": discard, **volume,
            }  # fmt: skip
            driver.stdin.write(json.dumps(line) + "\n")
            driver.stdin.flush()
            answer = json.loads(driver.stdout.readline())
            assert answer is None or "error" not in answer, answer
            return answer

        yield job
        driver.stdin.close()


@pytest.mark.parametrize(("half", "voting"), [(False, "hard"), (True, "soft")])
def test_killed_at_each_change_of_the_disk(do, tmp_path, half, voting):
    whole = expected(voting, voters["SHAPE"], voters["EDGE"], voters["SLABS"])
    begun = set()
    for step in range(1000):
        folder = tmp_path / str(step)
        if do(folder, step=step, half=half, voting=voting) is not None:
            break
        answer = do(folder, voting=voting, discard=True)
        assert answer["digest"] == whole, step
        begun.add(tuple(answer["from"]))
        assert not folder.exists()
    # the kills fell into every slab, and before and after all
    assert step > 2 * voters["PLANES"] * voters["SLABS"] * 4
    every = {(plane, slab) for plane in range(2) for slab in range(4)} - {(1, 0)}
    assert begun == every


def test_killed_again_and_again(do, tmp_path):
    """Also those that went on are killed, each at some change; a discard among them."""
    whole = expected("soft", voters["SHAPE"], voters["EDGE"], voters["SLABS"])
    chance = random.Random(3)
    for number in range(KILLS):
        folder = tmp_path / str(number)
        kills = 0
        while do(folder, step=chance.randrange(10, 60), half=chance.random() < 0.5) is None:
            kills += 1
            assert kills < 200
        for step in range(100):
            if do(folder, step=step, discard=True) is not None:
                break
            # whether the discard was begun or not: all is there or nothing
            assert do(folder)["digest"] == whole
        assert not folder.exists()


def test_killed_at_random_moments(do, tmp_path):
    volume = {"shape": (70, 60, 50), "edge": 16, "slabs": 8, "voting": "soft"}
    whole = expected(**volume)
    began = time.perf_counter()
    assert do(tmp_path / "whole", **volume)["digest"] == whole
    seconds = time.perf_counter() - began
    chance = random.Random(4)
    kills = 0
    while kills < 2 * KILLS:
        folder = tmp_path / str(kills)
        for _ in range(3):
            kills += do(folder, seconds=chance.uniform(0, seconds), **volume) is None
        assert do(folder, **volume)["digest"] == whole


def test_the_engine_goes_on_after_kills(do, tmp_path):
    volume = {"shape": (14, 9, 12), "edge": 8, "slabs": 0, "voting": "soft"}
    whole = expected(**volume)
    chance = random.Random(5)
    begun = set()
    for number in range(8 * KILLS):
        folder = tmp_path / str(number)
        half = chance.random() < 0.5
        assert do(folder, step=chance.randrange(10, 75), half=half, **volume) is None
        answer = do(folder, **volume)
        assert answer["digest"] == whole
        begun.add(tuple(answer["from"]))
    assert len(begun) > 3
    assert {plane for plane, _ in begun} == {0, 1}
