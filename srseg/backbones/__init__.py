"""Networks that label a slice: from pixels of shape (N, 1, H, W) to logits of shape (N, K, H, W).

``"unet"`` is the compound-scaled U-Net of Baltruschat et al. 2021,
``"smp:<architecture>/<encoder>"`` is any network of segmentation-models-pytorch, further names come
from plugins (entry points of the group ``srseg.backbones``), and a callable builds a network of the
user's own. Listing and registering do not import torch.
"""

from typing import TYPE_CHECKING, Any

from srseg.backbones._catalog import (
    BackboneFactory,
    create_backbone,
    list_backbones,
    register_backbone,
)
from srseg.backbones._describe import BackboneInfo, describe_backbone
from srseg.backbones._layer_table import Layer, LayerTable, Stage
from srseg.backbones._layers import layer_table

if TYPE_CHECKING:
    from srseg.backbones._unet import ScaledUNet

__all__ = [
    "BackboneFactory",
    "BackboneInfo",
    "Layer",
    "LayerTable",
    "ScaledUNet",
    "Stage",
    "create_backbone",
    "describe_backbone",
    "layer_table",
    "list_backbones",
    "register_backbone",
]


def __getattr__(name: str) -> Any:
    # the only name here that is a torch class: everything else lists and describes without torch
    if name == "ScaledUNet":
        from srseg.backbones._unet import ScaledUNet

        return ScaledUNet
    raise AttributeError(f"module 'srseg.backbones' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
