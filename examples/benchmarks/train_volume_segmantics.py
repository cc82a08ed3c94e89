"""The part of ``accuracy.py`` that trains volume-segmantics, with the Python that has it installed.

Its 2D trainer with learning-rate search and one-cycle schedule, on slices along three axes, with
its augmentation, Dice loss, clipping to 8 bits and, by its repository's settings, all else but:

- the encoder is the smaller of the two it names, ResNet-34, with random weights: those trained on
  ImageNet are not in the package, and a benchmark is to run without them being fetched. Therefore
  nothing is frozen at first, and all its cycles train the whole network;
- a cycle, the search among them, is of so many iterations that the schedule ends with the time;
  slices go on through the cycles where one ended, and 15 % of them are validated on, as many in
  proportion each cycle. It does not stop early; the weights of the best cycle are kept, as it does;
- the patch is as large as that of srseg's rows. The batch is of 8, which is its own on a processor;
- it trains on a processor, which its trainer can do but has no setting for. It is the trainer that
  its command calls legacy: the newer one neither searches a rate nor changes it.

One plane is its quality "low", along the first axis; three are "medium", where each voxel takes the
label of the axis that is surest.
"""

import os
import statistics
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from measuring import give, let_torchvision_import, read_job

CYCLES = 13  # 8 frozen and 5 not, in its settings
TRAINED_ON = 0.85  # share of the slices
CALIBRATION, SLOW = 16, 3  # iterations at least, of which the first are not timed
ENDLESS = 10**6
QUALITIES = {1: "low", 3: "medium"}


class Share:
    """So many batches of a loader, which go on where the last ones ended."""

    def __init__(self, loader: Any, length: int) -> None:
        self._loader, self._length = loader, length
        self._batches: Iterator[Any] = iter(())

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._length):
            batch = next(self._batches, None)
            if batch is None:
                self._batches = iter(self._loader)
                batch = next(self._batches)
            yield batch


def main() -> None:
    """Train, predict, and say how it went."""
    job = read_job()
    # one process draws patches beside the network, as one thread does in srseg
    os.environ |= {"VOLSEG_NUM_WORKERS": "1", "VOLSEG_SUPPRESS_RAW_TRAINER_DEPRECATION": "1"}
    warnings.filterwarnings("ignore")
    kept = let_torchvision_import()
    import torch

    torch.set_num_threads(job["threads"])
    folder = Path(job["folder"])
    settings = settings_of(job)
    write_slices(job, folder, settings)
    told = job.get("speed")
    if told is None:
        give({"calibration": calibrate(make_trainer(job, folder, settings), job["calibration"])})
        return
    began = time.perf_counter()
    trainer = make_trainer(job, folder, settings)
    cycles, iterations = fit(trainer, told, job["seconds"])
    trainer.train_model(folder / "model.pytorch", cycles, cycles + 1, create=True, frozen=False)
    seconds = time.perf_counter() - began
    history = trainer.epoch_history["valid_total"]
    parameters = sum(p.numel() for p in trainer.model.parameters())
    labels = predict(job, folder)
    del kept
    give(
        {
            "seconds": seconds,
            "iterations": cycles * iterations,
            "best_iteration": (int(np.argmin(history)) + 1) * iterations,
            "cycles": cycles,
            "calibration": told,
            "parameters": parameters,
            "versions": {
                "volume-segmantics": version("volume-segmantics"),
                "torch": torch.__version__,
            },
            "labels": labels,
        }
    )


def settings_of(job: dict[str, Any]) -> SimpleNamespace:
    """Give its settings for training, those of its file where nothing is said above."""
    return SimpleNamespace(
        data_hdf5_path="/data",
        seg_hdf5_path="/data",
        clip_data=True,
        st_dev_factor=2.575,
        minmax_norm=False,
        downsample=False,
        training_axes="All",
        image_size=job["input_size"],
        training_set_proportion=TRAINED_ON,
        use_imagenet_norm=True,
        cuda_device=0,
        patience=4,
        loss_criterion="DiceLoss",
        alpha=0.5,
        beta=0.5,
        eval_metric="DiceCoefficient",
        pct_lr_inc=0.3,
        starting_lr=1e-5,
        end_lr=1e-3,
        lr_find_epochs=1,
        lr_reduce_factor=500,
        plot_lr_graph=False,
        use_sam=False,
        adaptive_sam=True,
        encoder_weights_path=False,
        full_weights_path=False,
        random_seed=job["seed"],
        model={"type": "U_Net", "encoder_name": "resnet34", "encoder_weights": None},
    )


def write_slices(job: dict[str, Any], folder: Path, settings: SimpleNamespace) -> None:
    """Let it cut the training samples into pictures of slices along three axes."""
    from volume_segmantics.data import TrainingDataSlicer

    for number, (scan, labels) in enumerate(job["training"]):
        values = np.load(labels)
        # it would number them anew
        if len(np.unique(values)) != len(job["classes"]):
            raise SystemExit(f"{labels}: not all classes are there; make the samples larger")
        slicer = TrainingDataSlicer(np.load(scan), values, settings)
        slicer.output_data_slices(folder / "data", f"data{number}")
        slicer.output_label_slices(folder / "seg", f"seg{number}")


def make_trainer(job: dict[str, Any], folder: Path, settings: SimpleNamespace) -> Any:
    """Make its trainer, for a processor."""
    from volume_segmantics.model import VolSeg2dTrainer
    from volume_segmantics.utilities.seeding import set_seed

    class Trainer(VolSeg2dTrainer):  # type: ignore[misc]
        def _load_in_weights(self, output_path: Path, optimizer: bool = False) -> Any:
            return super()._load_in_weights(output_path, optimizer=optimizer, gpu=False)

    set_seed(job["seed"])
    trainer = Trainer(folder / "data", folder / "seg", len(job["classes"]), settings)
    trainer.model_device_num = trainer.model_manager.model_device_num = "cpu"
    return trainer


def calibrate(trainer: Any, seconds: float) -> dict[str, float]:
    """Train for a while that does not count; give seconds of what training is made of."""
    import torch

    began = time.perf_counter()
    trainer._create_model_and_optimiser(trainer.starting_lr)
    rate = trainer._create_oc_lr_scheduler(ENDLESS, trainer.starting_lr)
    trainer.model.train()
    steps, validations = [], []
    last = time.perf_counter()
    before = last - began
    for batch in Share(trainer.training_loader, ENDLESS):
        trainer._train_one_batch(rate, batch)
        now = time.perf_counter()
        steps.append(now - last)
        last = now
        if len(steps) >= CALIBRATION and sum(steps) > seconds:
            break
    trainer.model.eval()
    with torch.no_grad():
        for batch in Share(trainer.validation_loader, CALIBRATION // 2):
            last = time.perf_counter()
            trainer._validate_one_batch(batch)
            validations.append(time.perf_counter() - last)
    return {
        "seconds": time.perf_counter() - began,
        "iterations": len(steps),
        "before": before,
        "iteration": statistics.mean(steps[SLOW:]),
        "validation": statistics.mean(validations[1:]),
    }


def fit(trainer: Any, told: dict[str, float], seconds: float) -> tuple[int, int]:
    """Fit cycles and their iterations to a time; the search for a rate is as long as a cycle."""
    whole, part = len(trainer.training_loader), (1 - TRAINED_ON) / TRAINED_ON
    left = seconds - 2 * told["before"]
    cycle = told["iteration"] + part * told["validation"]
    # a cycle is no more than all slices
    iterations = min(whole, int(left / (CYCLES * cycle + told["iteration"])))
    iterations = max(2, iterations)
    cycles = max(1, int((left / iterations - told["iteration"]) / cycle))
    trainer.training_loader = Share(trainer.training_loader, iterations)
    trainer.lr_finder.training_loader = trainer.training_loader
    n_validated = max(1, round(iterations * part))
    trainer.validation_loader = Share(trainer.validation_loader, n_validated)
    return cycles, iterations


def predict(job: dict[str, Any], folder: Path) -> dict[str, dict[str, str]]:
    """Predict the held-out samples; give the files of labels for each number of planes."""
    from volume_segmantics.model import VolSeg2DPredictionManager
    from volume_segmantics.utilities.base_data_utils import Quality

    files: dict[str, dict[str, str]] = {}
    for planes in job["planes"]:
        quality = QUALITIES[planes]
        settings = SimpleNamespace(
            quality=quality,
            output_probs=False,
            output_entropy=False,
            clip_data=True,
            minmax_norm=False,
            use_imagenet_norm=True,
            st_dev_factor=2.575,
            data_hdf5_path="/data",
            cuda_device=0,
            downsample=False,
            one_hot=False,
            prediction_axis="Z",
        )
        for name, path in job["held_out"].items():
            manager = VolSeg2DPredictionManager(
                str(folder / "model.pytorch"), np.load(path), settings
            )
            labels = manager.predict_volume_to_path(None, Quality[quality.upper()])
            file = folder / f"{name}-{planes}.npy"
            np.save(file, labels.astype(np.uint8))
            files.setdefault(str(planes), {})[name] = str(file)
    return files


if __name__ == "__main__":
    main()
