"""The part of ``predict.py`` and ``bounded_prediction.py`` that runs srseg's engine.

It uses ``srseg.inference`` alone, without the estimators: what scikit-learn and scipy take when
they are imported is no memory of a prediction.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Watch, give, largest, read_job, resident

from srseg.backbones import create_backbone
from srseg.errors import NotEnoughMemoryError
from srseg.inference import Fused, PlanePrediction, SlicePredictor
from srseg.planes import resolve_planes

Region = tuple[slice, slice, slice]


def main() -> None:
    """Predict the volume and say how it went."""
    job = read_job()
    torch.set_num_threads(job["threads"])
    shown = job["network"]
    network = create_backbone(
        shown["backbone"], n_classes=shown["n_classes"], width=shown["width"], depth=shown["depth"]
    )
    network.load_state_dict(torch.load(job["weights"], weights_only=True))
    network.eval()
    predictor: Any = SlicePredictor(
        network,
        n_classes=job["network"]["n_classes"],
        device="cpu",
        precision=job["precision"],
        runtime=job["runtime"],
    )
    stride: int = network.stride  # type: ignore[assignment]
    shape: tuple[int, int, int] = tuple(job["shape"])
    # what is loaded with the first slice belongs to the program
    predictor(torch.zeros(1, 4 * stride, 4 * stride))
    if job["task"] == "rule":
        give(most_confident(predictor, load(job["volume"], shape), Path(job["labels"])))
        return
    if job["task"] == "planes":
        predictor = Constant(job["network"]["n_classes"], predictor)
    if job["in_memory"]:
        image = load(job["volume"], shape)
        read: Callable[[Region], np.ndarray] = image.__getitem__
    else:
        read = reader(Path(job["volume"]), shape)
    before = resident()
    limit = job["max_memory"]
    if job["above"] is not None:  # a limit on what is taken beside what there is now
        limit = before + job["above"]
    with PlanePrediction(
        [predictor],
        shape,
        [(resolve_planes(job["planes"]), job["voting"])],
        n_classes=job["network"]["n_classes"],
        stride=stride,
        reach=network.reach,  # type: ignore[arg-type]
        max_memory=limit,
    ) as prediction:
        try:
            with Watch() as preparing:
                plan = prediction.plan
        except NotEnoughMemoryError as error:
            give({"refused": str(error)})
            return
        with Watch() as running:
            (fused,) = prediction.run(read)
            digest = write_labels(fused, shape, Path(job["labels"]))
        stages = prediction.stages.to_dict()
        sizes: Counter[tuple[int, int, int]] = Counter()
        for cut, batch in zip(prediction.cuts, plan.batch, strict=True):
            sizes.update(cut.sizes(batch))
        slices = sum(n * count for (n, _, _), count in sizes.items())
    peak = max(preparing.peak, running.peak)
    answer = {
        "seconds": running.seconds,
        "preparing": preparing.seconds,
        "above": peak - before,
        "before": before,
        "largest": largest(),
        "slices": slices,
        "sha256": digest,
        "plan": plan.to_dict(),
        "stages": stages,
    }
    if job["task"] == "predict":
        with Watch() as alone:
            run_network(predictor, sizes)
        answer["network"] = alone.seconds
    give(answer)


class Constant:
    """A predictor that says the same of every pixel: planes and fusion are left."""

    def __init__(self, n_classes: int, like: SlicePredictor) -> None:
        self.device, self.batch_size = like.device, like.batch_size
        self.runtime, self.precision, self.notes = "none", "fp32", []
        self._n_classes = n_classes

    def prepare(self, sizes: Any) -> None:
        """Make ready for batches of these shapes: there is nothing to do."""

    def flops(self, n: int, height: int, width: int) -> None:
        """Tell the operations of a batch: there are none."""

    def __call__(self, slices: torch.Tensor) -> torch.Tensor:
        """Give the same probabilities for every pixel."""
        n, height, width = slices.shape
        shares = torch.arange(1.0, self._n_classes + 1)
        return (shares / shares.sum()).view(1, -1, 1, 1).expand(n, -1, height, width).contiguous()


def load(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Load a volume of raw float32."""
    return np.fromfile(path, np.float32).reshape(shape)


def reader(path: Path, shape: tuple[int, int, int]) -> Callable[[Region], np.ndarray]:
    """Read boxes out of a file of raw float32; nothing else of it comes into memory."""
    file = os.open(path, os.O_RDONLY)

    def read(box: Region) -> np.ndarray:
        z, y, x = box
        found = np.empty([part.stop - part.start for part in box], np.float32)
        rows = np.empty((y.stop - y.start, shape[2]), np.float32)
        for i in range(z.start, z.stop):
            start = 4 * shape[2] * (i * shape[1] + y.start)
            if os.preadv(file, [rows.data.cast("B")], start) != rows.nbytes:
                raise SystemExit(f"{path} is too short")
            found[i - z.start] = rows[:, x]
        return found

    return read


def write_labels(fused: Fused, shape: tuple[int, int, int], path: Path) -> str:
    """Write the labels slab by slab; give their checksum."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, shape[0], fused.edge):
            labels = fused.classes(start, min(start + fused.edge, shape[0]))
            digest.update(labels.data)
            file.write(labels.data)
    return digest.hexdigest()


def run_network(predictor: SlicePredictor, sizes: Counter[tuple[int, int, int]]) -> None:
    """Run the network over as many batches of the same shapes, and nothing else."""
    generator = torch.Generator().manual_seed(0)
    for size, count in sizes.items():
        slices = torch.rand(size, generator=generator)
        for _ in range(count):
            predictor(slices)


def most_confident(
    predictor: SlicePredictor, volume: np.ndarray, path: Path
) -> dict[str, float | int]:
    """Fuse three axes by the rule of volume-segmantics, with the probabilities of our network.

    Each axis gives a label and its probability in half precision; the surest axis wins, the
    first of those that tie. Slices lie as there: along x they are (y, z).
    """
    with Watch() as watch:
        best = np.full(volume.shape, -1, np.float16)
        labels = np.zeros(volume.shape, np.uint8)
        for axis in range(3):
            stack, sure, said = (a.swapaxes(0, axis) for a in (volume, best, labels))
            n = predictor.batch_size(*stack.shape[1:])
            for start in range(0, len(stack), n):
                part = slice(start, start + n)
                slices = torch.from_numpy(np.ascontiguousarray(stack[part]))
                probability, label = (a.numpy() for a in predictor(slices).max(1))
                probability = probability.astype(np.float16)
                surer = probability > sure[part]
                sure[part] = np.where(surer, probability, sure[part])
                said[part] = np.where(surer, label, said[part])
    labels.tofile(path)
    return {"seconds": watch.seconds, "above": watch.above, "slices": sum(volume.shape)}


if __name__ == "__main__":
    main()
