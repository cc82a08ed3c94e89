"""The networks of segmentation-models-pytorch as backbones: ``smp:<architecture>/<encoder>``."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from srseg.backbones._torchvision import import_segmentation_models
from srseg.errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["create_smp"]

_TIMM_PREFIX = "tu-"


def create_smp(name: str, *, n_classes: int) -> nn.Module:
    """Build a network of segmentation-models-pytorch with random weights.

    Nothing is downloaded. The reach of these networks is given as None: many pool over the whole
    slice or attend to it. Some have a smallest slice, and encoders made for one image size alone
    (Swin) refuse every other when they are used.

    Parameters
    ----------
    name : str
        ``"<architecture>/<encoder>"``, such as ``"unet/resnet34"`` or ``"fpn/tu-convnext_tiny"``
        (``tu-`` stands before the name of an encoder of timm).
    n_classes : int
        Number K of classes.

    Returns
    -------
    torch.nn.Module
        Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W), with ``stride`` and ``reach``.

    Raises
    ------
    ParameterError
        If the name is not made of two parts, or if the two do not work together.
    UnknownNameError
        If there is no such architecture or encoder.
    """
    architecture, _, encoder = name.partition("/")
    if not architecture or not encoder:
        raise ParameterError(
            f"the backbone 'smp:{name}' is incomplete; write smp:<architecture>/<encoder>, "
            "for example smp:unet/resnet34"
        )
    smp = import_segmentation_models()
    architectures = sorted(smp.MODEL_ARCHITECTURES_MAPPING)
    if architecture.lower() not in architectures:
        raise UnknownNameError(
            f"segmentation-models-pytorch has no architecture {architecture!r}"
            f"{_closest(architecture.lower(), architectures)} "
            f"Known architectures: {', '.join(architectures)}"
        )
    _check_encoder(smp, encoder)
    is_dpt = architecture.lower() == "dpt"
    # position embeddings of vision transformers are for one size unless asked otherwise
    options = {"dynamic_img_size": True} if is_dpt else {}
    try:
        network: Any = smp.create_model(
            architecture,
            encoder_name=encoder,
            encoder_weights=None,
            in_channels=1,
            classes=n_classes,
            **options,
        )
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise ParameterError(
            f"the architecture {architecture!r} cannot be built on the encoder {encoder!r} "
            f"({error}); choose another encoder"
        ) from error
    # DPT halves the tokens of its encoder once more
    network.stride = int(network.encoder.output_stride) * (2 if is_dpt else 1)
    network.reach = None
    built: nn.Module = network
    return built


def _check_encoder(smp: Any, encoder: str) -> None:
    names = smp.encoders.get_encoder_names()
    if encoder in names or smp.encoders.is_equivalent_to_timm_universal(encoder):
        return
    if encoder.startswith(_TIMM_PREFIX):
        import timm

        # only names of timm's own table: others can name files on the hub or on this disk
        if timm.is_model(encoder.removeprefix(_TIMM_PREFIX)):
            return
        names = [_TIMM_PREFIX + model for model in timm.list_models()]
    raise UnknownNameError(
        f"segmentation-models-pytorch has no encoder {encoder!r}{_closest(encoder, names)} "
        "Known encoders: the table 'Encoders' in its documentation, and tu-<model> for the models "
        "of timm"
    )


def _closest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
