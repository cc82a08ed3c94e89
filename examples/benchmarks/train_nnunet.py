"""The part of ``accuracy.py`` that trains nnU-Net v2, with the Python that has it installed.

The 2D configuration: its own file format, fingerprint, preprocessing (grey values as they are,
z-score), augmentation, loss (Dice and cross-entropy with deep supervision), optimizer and
polynomial rate. All cases are trained on (fold "all"). What is set here: patch, batch, stages and
channels of its plain U-Net, as those of srseg's rows, and the length. Its epochs are of one
iteration, so that the rate falls as finely as it can, and nothing is validated in between: its last
weights are kept anyway. On a processor it trains in float32.

It is trained on slices of one orientation, along the first axis. For one plane they are predicted
as nnU-Net does; for three the same network goes over the volume along each axis, and probabilities
are averaged. Both without and with its mirroring.
"""

import json
import os
import random
import shutil
import statistics
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from measuring import give, read_job

DATASET, PLANS = "Dataset001_Study", "nnUNetPlans"
SPACING = 0.005  # mm; all scans have the same
CALIBRATION, SLOW = 20, 3  # iterations at least, of which the first are not timed
ENDLESS = 10**6


def main() -> None:
    """Train, predict, and say how it went."""
    job = read_job()
    folder = Path(job["folder"])
    for kind in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{kind}"] = str(folder / kind)
    # one process draws patches beside the network, as one thread does in srseg
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"}
    import torch

    torch.set_num_threads(job["threads"])
    write_dataset(job, folder / "raw" / DATASET)
    # its messages go where they do no harm to the answer
    answer_to, sys.stdout = sys.stdout, sys.stderr
    plans = prepare(job, folder / "preprocessed" / DATASET)
    dataset = json.loads((folder / "raw" / DATASET / "dataset.json").read_text())
    told = job.get("speed")
    if told is None:
        told = calibrate(make_trainer(plans, dataset, job["seed"], ENDLESS), job["calibration"])
        sys.stdout = answer_to
        give({"calibration": told})
        return
    iterations = max(10, int((job["seconds"] - told["before"]) / told["iteration"]))
    began = time.perf_counter()
    trainer = make_trainer(plans, dataset, job["seed"], iterations)
    train(trainer)
    seconds = time.perf_counter() - began
    labels = predict(trainer, job, folder)
    sys.stdout = answer_to
    give(
        {
            "seconds": seconds,
            "iterations": iterations,
            "calibration": told,
            "parameters": sum(p.numel() for p in trainer.network.parameters()),
            "versions": {"nnunetv2": version("nnunetv2"), "torch": torch.__version__},
            "labels": labels,
        }
    )


def write_dataset(job: dict[str, Any], folder: Path) -> None:
    """Write the training samples as nnU-Net wants them."""
    import SimpleITK

    def write(array: np.ndarray, path: Path) -> None:
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing([SPACING] * 3)
        SimpleITK.WriteImage(image, str(path))

    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    for number, (scan, labels) in enumerate(job["training"]):
        write(np.load(scan), folder / "imagesTr" / f"case{number:03}_0000.nii.gz")
        write(np.load(labels), folder / "labelsTr" / f"case{number:03}.nii.gz")
    names = ["background", *job["classes"][1:]]
    described = {
        "channel_names": {"0": "grey"},
        "labels": {name: value for value, name in enumerate(names)},
        "numTraining": len(job["training"]),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(described))


def prepare(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Let nnU-Net look at the data, plan and preprocess; give plans of the size that is wanted."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([1], num_processes=1, show_progress_bar=False)
    api.plan_experiments([1])
    path = folder / f"{PLANS}.json"
    plans: dict[str, Any] = json.loads(path.read_text())
    stages = job["depth"] + 1
    configuration = plans["configurations"]["2d"]
    configuration |= {"patch_size": [job["input_size"]] * 2, "batch_size": job["batch_size"]}
    largest = max(configuration["architecture"]["arch_kwargs"]["features_per_stage"])
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": [min(largest, job["width"] * 2**k) for k in range(stages)],
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1]] + [[2, 2]] * job["depth"],
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * job["depth"],
    }
    path.write_text(json.dumps(plans))
    api.preprocess([1], configurations=["2d"], num_processes=[1], show_progress_bar=False)
    return plans


def make_trainer(plans: dict[str, Any], dataset: dict[str, Any], seed: int, iterations: int) -> Any:
    """Make its trainer, for so many iterations."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, what it draws from
    torch.manual_seed(seed)
    trainer = nnUNetTrainer(
        plans={**plans, "continue_training": False}, configuration="2d", fold="all",
        dataset_json=dataset, device=torch.device("cpu"),
    )  # fmt: skip
    trainer.num_epochs, trainer.num_iterations_per_epoch = iterations, 1
    trainer.disable_checkpointing = True
    return trainer


def train(trainer: Any, seconds: float = float("inf")) -> list[float]:
    """Train as ``run_training`` does, without validating; give when each iteration ended.

    It ends with its schedule, or after so many seconds and a few iterations.
    """
    trainer.on_train_start()
    ticks = [time.perf_counter()]
    trainer.network.train()
    for iteration in range(trainer.num_epochs):
        trainer.lr_scheduler.step(iteration)
        trainer.train_step(next(trainer.dataloader_train))
        ticks.append(time.perf_counter())
        if iteration + 1 >= CALIBRATION and ticks[-1] - ticks[0] > seconds:
            break
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        loader._finish()
    trainer.network.eval()
    return ticks


def calibrate(trainer: Any, seconds: float) -> dict[str, float]:
    """Train for a while that does not count; give seconds of what training is made of."""
    began = time.perf_counter()
    ticks = train(trainer, seconds)
    ended = time.perf_counter()
    shutil.rmtree(trainer.output_folder_base)
    steps = [b - a for a, b in pairwise(ticks)]
    return {
        "seconds": ended - began,
        "iterations": len(steps),
        "before": ticks[0] - began + ended - ticks[-1],
        "iteration": statistics.mean(steps[SLOW:]),
    }


def predict(trainer: Any, job: dict[str, Any], folder: Path) -> dict[str, dict[str, str]]:
    """Predict the held-out samples; give the files of labels of each way to predict."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    manager, configuration = trainer.plans_manager, trainer.configuration_manager
    preprocessor = configuration.preprocessor_class(verbose=False)
    weights = trainer.network.state_dict()
    files: dict[str, dict[str, str]] = {}
    for mirrored in (False, True):
        predictor = nnUNetPredictor(
            use_mirroring=mirrored, device=torch.device("cpu"), allow_tqdm=False
        )
        predictor.manual_initialization(
            trainer.network, manager, configuration, [weights], trainer.dataset_json,
            type(trainer).__name__, trainer.inference_allowed_mirroring_axes,
        )  # fmt: skip
        for name, path in job["held_out"].items():
            scan = np.load(path)
            data, _, told = preprocessor.run_case_npy(
                scan[None], None, {"spacing": [SPACING] * 3}, manager, configuration,
                trainer.dataset_json,
            )  # fmt: skip
            for planes in job["planes"]:
                inner = probabilities(predictor, data, planes).argmax(0)
                labels = np.zeros(told["shape_before_cropping"], np.uint8)
                labels[tuple(slice(*box) for box in told["bbox_used_for_cropping"])] = inner
                column = f"{planes} mirrored" if mirrored else str(planes)
                file = folder / f"{name}-{column.replace(' ', '-')}.npy"
                np.save(file, labels.transpose(manager.transpose_backward))
                files.setdefault(column, {})[name] = str(file)
    return files


def probabilities(predictor: Any, data: np.ndarray, planes: int) -> np.ndarray:
    """Give the probability of each class, the mean over slices along the first axes."""
    import torch

    total = 0.0
    for axis in range(planes):
        turned = torch.from_numpy(np.ascontiguousarray(np.moveaxis(data, 1 + axis, 1)))
        logits = predictor.predict_logits_from_preprocessed_data(turned)
        total = total + np.moveaxis(torch.softmax(logits.float(), 0).numpy(), 1, 1 + axis)
    return total / planes


if __name__ == "__main__":
    main()
