"""The part of ``predict.py`` that runs nnU-Net v2, with the Python that has it installed.

Its 2D configuration predicts the slices of one orientation only: those along the first axis. The
tile is a whole slice and there is no mirroring, so that each slice is predicted once, as by
the others; preparing the image and writing files are left out. The network is not its own but
the one that all rows share.
"""

import sys

import numpy as np
import torch
from measuring import Watch, give, let_torchvision_import, read_job

WARM_UP = 2  # slices


def main() -> None:
    """Predict the volume and say how it went."""
    job = read_job()
    kept = let_torchvision_import()
    import segmentation_models_pytorch as smp
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    torch.set_num_threads(job["threads"])
    volume = np.fromfile(job["volume"], np.float32).reshape(job["shape"])
    n_classes = job["n_classes"]
    plans = PlansManager(
        {
            "configurations": {
                "2d": {
                    "patch_size": list(volume.shape[1:]),
                    "spacing": [1.0, 1.0],
                    "architecture": {"arch_kwargs": {"n_stages": 6}},
                }
            },
            "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2],
        }
    )
    dataset = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, **{f"class {k}": k for k in range(1, n_classes)}},
        "file_ending": ".npy",
    }
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        smp.Unet(job["encoder"], encoder_weights=None, in_channels=1, classes=n_classes),
        plans,
        plans.get_configuration("2d"),
        [torch.load(job["weights"], weights_only=True)],
        dataset,
        "nnUNetTrainer",
        None,
    )

    def predict(part: np.ndarray) -> np.ndarray:
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(part)[None])
        labels = predictor.label_manager.convert_logits_to_segmentation(logits)
        return np.asarray(labels, np.uint8)

    predict(volume[:WARM_UP])
    with Watch() as watch:
        labels = predict(volume)
    labels.tofile(job["labels"])
    del kept
    give(
        {
            "seconds": watch.seconds,
            "above": watch.above,
            "slices": len(volume),
            "versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
        }
    )


if __name__ == "__main__":
    main()
