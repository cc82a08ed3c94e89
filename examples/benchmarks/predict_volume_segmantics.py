"""The part of ``predict.py`` that runs volume-segmantics, with the Python that has it installed.

Medium quality: slices along three axes, and each voxel takes the label of the axis that is surest.
Everything that would change the grey values is off, so that the network sees what ours sees.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measuring import Watch, give, let_torchvision_import, read_job

WARM_UP = 32  # px: the smallest that its networks take


def main() -> None:
    """Predict the volume and say how it went."""
    job = read_job()
    kept = let_torchvision_import()
    from volume_segmantics.model import VolSeg2DPredictionManager
    from volume_segmantics.utilities.base_data_utils import Quality

    torch.set_num_threads(job["threads"])
    model = Path(job["folder"]) / "volume_segmantics.pytorch"
    torch.save(
        {
            "model_state_dict": torch.load(job["weights"], weights_only=True),
            "model_struc_dict": {
                "type": "U_NET",
                "encoder_name": job["encoder"],
                "encoder_weights": None,
                "in_channels": 1,
                "classes": job["n_classes"],
            },
            "label_codes": {},
        },
        model,
    )
    settings = SimpleNamespace(
        quality="medium",
        output_probs=False,
        output_entropy=False,
        clip_data=False,
        minmax_norm=False,
        use_imagenet_norm=False,
        st_dev_factor=2.575,
        data_hdf5_path="/data",
        cuda_device=0,
        downsample=False,
        one_hot=False,
        prediction_axis="Z",
    )
    volume = np.fromfile(job["volume"], np.float32).reshape(job["shape"])

    def predict(part: np.ndarray) -> np.ndarray:
        manager = VolSeg2DPredictionManager(str(model), part, settings)
        labels: np.ndarray = manager.predict_volume_to_path(None, Quality.MEDIUM)
        return labels

    predict(np.ascontiguousarray(volume[:WARM_UP, :WARM_UP, :WARM_UP]))
    with Watch() as watch:
        labels = predict(volume)
    labels.tofile(job["labels"])
    model.unlink()
    del kept
    give(
        {
            "seconds": watch.seconds,
            "above": watch.above,
            "slices": sum(volume.shape),
            "versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
        }
    )


if __name__ == "__main__":
    main()
