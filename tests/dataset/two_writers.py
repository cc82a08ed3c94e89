"""A writer that is killed and started again: works off its operations, and notes each that is done.

``python two_writers.py ROOT WORK WRITER OPERATIONS``; each line read starts a child that goes on
where the last one was killed, and the child's number and exit status are printed.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

import h5py  # noqa: F401 - loaded once, not by each child, as are the two below
import hdf5plugin  # noqa: F401
import numpy as np
import SimpleITK  # noqa: F401

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import set_metadata
from srseg.errors import DatasetError
from srseg.io import write_volume

SHARED = ("S0", "S1")
SHAPE = (12, 10, 14)
KINDS = ("copy", "reference", "label", "label", "label", "metadata", "preprocess", "predict")


def voxels(writer: str, number: int, kind: str) -> np.ndarray:
    """Make the voxels of an operation: the same ones after each start."""
    rng = np.random.default_rng([ord(writer), number])
    if kind in ("label", "predict"):
        return rng.integers(0, 4, SHAPE, dtype=np.uint8)
    return rng.integers(0, 60000, SHAPE, dtype=np.uint16)


def digest(array: np.ndarray) -> str:
    """Give what tells voxels apart."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


class Writer:
    """Works off operations, and keeps a journal."""

    def __init__(self, root: Path, work: Path, name: str) -> None:
        self.dataset = Dataset(root)
        self.work, self.name = work, name
        self.journal = work / f"journal-{name}"

    def run(self, operations: int) -> None:
        """Go on after the last operation that was done."""
        done = sum(json.loads(line)["done"] for line in self._lines())
        for number in range(done, operations):
            entry = self._plan(number)
            self._note({**entry, "done": False})
            getattr(self, "_" + entry["kind"])(entry)
            self._note({**entry, "done": True})

    def _plan(self, number: int) -> dict:
        chance = random.Random(f"{self.name} {number}")
        kind = "copy" if number == 0 else chance.choice(KINDS)
        entry = {"writer": self.name, "number": number, "kind": kind}
        own = [e["sample"] for line in self._lines() if (e := json.loads(line))["done"]
               and e["kind"] in ("copy", "reference")]  # fmt: skip
        if kind in ("copy", "reference"):
            return {**entry, "sample": f"{self.name}{number}",
                    "sha": digest(voxels(self.name, number, kind))}  # fmt: skip
        # both writers write to the samples that they share
        entry["sample"] = chance.choice([*SHARED, *own])
        if kind == "label":
            entry["set"] = chance.choice(("WF", "HQ"))
        if kind in ("label", "predict"):
            entry["sha"] = digest(voxels(self.name, number, kind))
        return entry

    def _copy(self, entry: dict) -> None:
        self._add(entry, copy=True)

    def _reference(self, entry: dict) -> None:
        self._add(entry, copy=False)

    def _add(self, entry: dict, *, copy: bool) -> None:
        file = self.work / f"{entry['sample']}.mha"
        grey = voxels(self.name, entry["number"], entry["kind"])
        if not file.exists():
            write_volume(file, Volume.from_array(grey, 5.0))
        try:
            self.dataset.add_sample(file, name=entry["sample"], copy=copy)
        except DatasetError:
            # killed after the sidecar stood, or finished by a repair
            if entry["sample"] not in Dataset(self.dataset.path).names:
                raise
        self.dataset = Dataset(self.dataset.path)

    def _label(self, entry: dict) -> None:
        file = self.work / f"labels-{self.name}.mha"
        values = voxels(self.name, entry["number"], "label")
        write_volume(file, Volume.from_array(values, 5.0, table=DEFAULT_LABELS), overwrite=True)
        self.dataset.add_labels(file, sample=entry["sample"], label_set=entry["set"])

    def _metadata(self, entry: dict) -> None:
        set_metadata(
            self.dataset, entry["sample"], {"extra": {f"note_{self.name}": entry["number"]}}
        )

    def _preprocess(self, entry: dict) -> None:
        (done,) = self.dataset.select(name=entry["sample"]).preprocess(voxel_size=10.0)
        if done.status not in ("made", "kept"):
            raise RuntimeError(done)

    def _predict(self, entry: dict) -> None:
        with self.dataset.create_prediction(
            entry["sample"], f"m{self.name}", Volume.from_array(np.zeros(SHAPE), 5.0).grid,
            description="soft3", provenance={"number": entry["number"]}, overwrite=True,
        ) as sink:  # fmt: skip
            sink.labels[:] = voxels(self.name, entry["number"], "predict")

    def _lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def _note(self, entry: dict) -> None:
        # one write: a line is there or is not
        with self.journal.open("ab", buffering=0) as file:
            file.write((json.dumps(entry) + "\n").encode())


def main() -> None:
    """Start a child for each line that is read."""
    root, work, name, operations = sys.argv[1:]
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            try:
                Writer(Path(root), Path(work), name).run(int(operations))
            except BaseException:  # a child must not go on as its parent
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
