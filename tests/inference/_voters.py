"""Votes whose every slab depends on what the one before carried, and processes that are killed.

Run as a script, it reads jobs and does each in a process of its own, which dies where it is told.
"""

import itertools
import json
import os
import pathlib
import signal
import sys
import time
import zlib
from types import SimpleNamespace

import numpy as np
import torch

from srseg.inference import Ballot, FunctionPredictor, Poll, ScratchVotes, predict_planes
from srseg.planes import Cut, Plane

SHAPE = (7, 5, 4)
EDGE = 4
PLANES, SLABS = 2, 3
IDENTITY = {"scan": {"name": "A", "size": 5}, "model": "m"}


class Back:
    """What a slab says of a random third of the voxels."""

    def __init__(self, plane, slab, carry, ballot, shape=SHAPE, slabs=SLABS):
        self.rng = np.random.default_rng((plane, 7))
        order = self.rng.permutation(int(np.prod(shape)))
        self.voxels = np.unravel_index(np.array_split(order, slabs)[slab], shape)
        self.rng = np.random.default_rng((plane, slab, 0 if carry is None else int(carry.sum())))
        values = self.rng.dirichlet(np.ones(ballot.n_classes), len(self.voxels[0]))
        self.parts = [ballot.count(torch.from_numpy(values.astype(np.float32)).T, 0)]
        self.carry = None
        if slab < slabs - 1:
            self.carry = torch.from_numpy(self.rng.integers(0, 99, (2, 3, 5)).astype(np.float32))

    def tiles(self, edge):
        return sorted({tuple(tile) for tile in (np.array(self.voxels).T // edge).tolist()})

    def add_to(self, part, tile, record):
        edge = record.shape[1]
        inside = [axis - t * edge for axis, t in zip(self.voxels, tile, strict=True)]
        here = np.all([(axis >= 0) & (axis < edge) for axis in inside], axis=0)
        index = [torch.from_numpy(axis[here]) for axis in inside]
        record[:, index[0], index[1], index[2]] += part[:, torch.from_numpy(here)]


def vote(votes, *, until=(PLANES, 0), shape=SHAPE, slabs=SLABS):
    """Add what is not added yet."""
    carry = votes.carry
    for plane, slab in itertools.product(range(PLANES), range(slabs)):
        if (votes.next_plane, votes.next_slab) <= (plane, slab) < until:
            back = Back(plane, slab, carry, votes.ballot, shape, slabs)
            votes.add(plane, SimpleNamespace(number=slab), back, back.parts[0])
            carry = back.carry


def predict(votes):
    """Predict what is not added yet, with the engine: slabs that carry a line into the next."""
    image = np.random.default_rng(9).random(votes.shape, dtype=np.float32)

    def network(slices):
        logits = np.stack([np.sin(9 * slices), 2 * slices, np.cos(5 * slices), slices**2], axis=1)
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    planes = tuple(Plane.from_name(name) for name in ("pr", "rc@45c"))
    cuts = [Cut(plane, votes.shape) for plane in planes]
    predictor = FunctionPredictor(network, n_classes=4, batch=2)
    polls = [Poll(planes, votes)]
    predict_planes([predictor], image.__getitem__, cuts, polls, thickness=4)


def digest(votes):
    return zlib.crc32(votes.read(tuple(slice(0, n) for n in votes.shape)).tobytes())


def opened(folder, *, voting="soft", shape=SHAPE, edge=EDGE, identity=IDENTITY, **options):
    ballot = Ballot(4, PLANES, voting)
    return ScratchVotes.open(pathlib.Path(folder), identity, ballot, shape, edge, **options)


def die_at(step, *, half):
    """End this process before, or in the midst of, its nth change of anything on the disk."""
    seen = itertools.count()

    def counted(function):
        def wrapper(*args, **kwargs):
            if next(seen) == step:
                if half and function is pwrite:
                    file, data, offset = args
                    # of what is padded, the half that says something
                    pwrite(file, data[: len(bytes(data).rstrip()) // 2], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapper

    pwrite = os.pwrite
    for name in ("pwrite", "link", "ftruncate", "posix_fallocate"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("replace", "unlink", "mkdir", "rmdir"):
        setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))


def work(job):
    if job["step"] is not None:
        die_at(job["step"], half=job["half"])
    shape = tuple(job["shape"])
    with opened(job["folder"], voting=job["voting"], shape=shape, edge=job["edge"]) as votes:
        before = votes.next_plane, votes.next_slab
        if job["slabs"]:
            vote(votes, shape=shape, slabs=job["slabs"])
        else:
            predict(votes)
        found = digest(votes)
        if job["discard"]:
            votes.discard()
    return {"from": before, "digest": found}


def main():
    torch.set_num_threads(1)
    os.fsync = lambda file: None  # a kill does not need it, and it is slow
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writer, json.dumps(work(job)).encode())
            except BaseException as error:
                os.write(writer, json.dumps({"error": repr(error)}).encode())
            os._exit(0)
        os.close(writer)
        if job["seconds"] is not None:
            time.sleep(job["seconds"])
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reader) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        print(text or "null", flush=True)


if __name__ == "__main__":
    main()
