"""nnU-Net looks at the data, plans its network, and prepares the slices, in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.progress import task
from srseg_nnunet._cases import DATASET
from srseg_nnunet._package import quietly

if TYPE_CHECKING:
    from pathlib import Path

    from srseg_nnunet._cases import Raw

CONFIGURATION = "2d"
LEAST = 16  # px: a smaller patch gives a network of two stages, of whose losses nnU-Net keeps none
MOST = 2048  # px: nnU-Net blends by weights of the size of a patch, which a file may name


def plan(
    parts: Any,
    folder: Path,
    written: Raw,
    *,
    width: int | None,
    input_size: int | None,
    batch_size: int | None,
) -> dict[str, Any]:
    """Let nnU-Net plan its network and prepare the slices.

    Its own pools of processes would start this program again for each: cases go one by one.

    Parameters
    ----------
    parts : module
        nnU-Net.
    folder : Path
        Folder of its folders.
    written : Raw
        What was written there.
    width, input_size, batch_size : int or None
        Channels of the first stage, edge of a patch in pixels and number of patches; what nnU-Net
        plans where they are None.

    Returns
    -------
    dict
        Plans with the 2D configuration alone.
    """
    raw, prepared = folder / "raw" / DATASET, folder / "preprocessed" / DATASET
    prepared.mkdir(parents=True)
    (prepared / "dataset_fingerprint.json").write_text(json.dumps(written.fingerprint))
    with quietly():
        planner = _planner(parts, input_size)
        if width is not None:
            planner.UNet_base_num_features = width
        planner.plan_experiment()
    path = prepared / f"{planner.plans_identifier}.json"
    plans: dict[str, Any] = json.loads(path.read_text())
    configuration = plans["configurations"][CONFIGURATION]
    if batch_size is not None:
        configuration["batch_size"] = batch_size
    plans["configurations"] = {CONFIGURATION: configuration}
    _prepare(parts, plans, written, raw, prepared)
    return plans


def _planner(parts: Any, input_size: int | None) -> Any:
    class SlicePlanner(parts.ExperimentPlanner):  # type: ignore[misc]
        """Plans the 2D network alone; of 3D ones only what the other's plan asks for is given."""

        def get_plans_for_configuration(
            self, spacing: Any, median_shape: Any, *others: Any
        ) -> dict[str, Any]:
            if len(spacing) == 3:
                return {"patch_size": median_shape, "spacing": spacing}
            # the patch is never larger than this, and as large where the network stays small enough
            shape = np.clip(median_shape, LEAST, MOST) if input_size is None else [input_size] * 2
            plan: dict[str, Any] = super().get_plans_for_configuration(spacing, shape, *others)
            return plan

    return SlicePlanner(DATASET)


def _prepare(
    parts: Any,
    plans: dict[str, Any],
    written: Raw,
    raw: Path,
    prepared: Path,
) -> None:
    manager = parts.PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    preprocessor = configuration.preprocessor_class(verbose=False)
    output = prepared / configuration.data_identifier
    output.mkdir()
    with task("nnU-Net prepares slices", total=len(written.cases)) as step:
        for case in written.cases:
            image, labels = raw / case.files()["images"][0], raw / case.files()["label"]
            with quietly():
                preprocessor.run_case_save(
                    str(output / case.name), [str(image)], str(labels), manager, configuration,
                    written.description,
                )  # fmt: skip
            image.unlink()  # it is there twice now
            labels.unlink()
            step.advance()
