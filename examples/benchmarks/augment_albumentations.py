"""The part of ``augmentation.py`` that runs albumentations, with the Python that has it."""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import time
from pathlib import Path

import albumentations
import cv2
import numpy as np
from albumentations.augmentations.geometric.functional import generate_displacement_fields
from measuring import give, read_job

POINTS = 5  # srseg's control points along an edge


def main() -> None:
    """Vary slices and say how long it took."""
    job = read_job()
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    image, classes = (np.load(Path(job["folder"]) / f"{n}.npy") for n in ("image", "classes"))
    size = image.shape[1]
    transforms = [
        albumentations.RandomResizedCrop((size, size), scale=(0.85, 1.0), ratio=(3 / 4, 4 / 3)),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.Rotate(90, fill=0, fill_mask=255, p=1.0),
    ]
    if job.get("elastic", True):
        transforms.append(elastic(size, job["displacement"], job.get("approximate", False)))
    transforms.append(albumentations.RandomBrightnessContrast(0.1, 0.2, p=1.0))
    pipeline = albumentations.Compose(transforms, seed=job["seed"])
    for i in range(8):
        pipeline(image=image[i % len(image)], mask=classes[i % len(image)])
    began = time.process_time()
    for i in range(job["patches"]):
        found = pipeline(image=image[i % len(image)], mask=classes[i % len(image)])
    seconds = time.process_time() - began
    if found["image"].shape != (size, size) or found["mask"].dtype != np.uint8:
        raise SystemExit(f"patches of {found['image'].shape}, {found['mask'].dtype}")
    give({"seconds": seconds, "version": albumentations.__version__})


def elastic(size: int, displacement: float, approximate: bool) -> albumentations.ElasticTransform:
    """Make the elastic deformation with a standard deviation in pixels."""
    sigma = size / (POINTS - 1) / 2
    kernel = (17, 17) if approximate else (0, 0)
    fields = [
        generate_displacement_fields(
            (size, size), 1.0, sigma, same_dxdy=False, kernel_size=kernel,
            random_generator=np.random.default_rng(seed), noise_distribution="gaussian",
        )
        for seed in range(10)
    ]  # fmt: skip
    return albumentations.ElasticTransform(
        displacement / float(np.std(fields)), sigma, approximate=approximate,
        noise_distribution="gaussian", fill=0, fill_mask=255, p=1.0,
    )  # fmt: skip


if __name__ == "__main__":
    main()
