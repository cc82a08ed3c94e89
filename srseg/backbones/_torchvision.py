"""Import segmentation-models-pytorch, also where torchvision does not fit the installed torch.

Its encoders come from timm, which imports torchvision. With a CPU build of torch pip brings a
torchvision built for CUDA, whose compiled operators cannot be loaded; its import then stops at
``operator torchvision::nms does not exist``. No network here uses those operators: declaring the
two names that the import asks for is enough.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["import_segmentation_models"]

_SYMPTOM = "operator torchvision::nms does not exist"
_declared: list[Any] = []  # a torch library forgets its operators when it is collected


def import_segmentation_models() -> Any:
    """Import segmentation-models-pytorch.

    Returns
    -------
    module
        ``segmentation_models_pytorch``.

    Raises
    ------
    RuntimeError
        What torchvision raises, if it fails in a way that is not known here.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
        _declare_operators()
    return importlib.import_module("segmentation_models_pytorch")


def _declare_operators() -> None:
    import torch

    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
