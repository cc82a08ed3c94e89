"""Backbones by name: built in, from segmentation-models-pytorch, from plugins, or a callable."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Protocol

from srseg.errors import ParameterError, PluginError, UnknownNameError
from srseg.registry import Registry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BackboneFactory", "create_backbone", "list_backbones", "register_backbone"]

SMP_PREFIX = "smp:"
SMP_PATTERN = "smp:<architecture>/<encoder>"

_DEEPEST = 1000  # of what somebody else's file says, too


class BackboneFactory(Protocol):
    """Something that builds a network, called with keywords only.

    The network it returns maps slices of shape (N, 1, H, W) to logits of shape (N, K, H, W) and has
    two attributes: ``stride``, the number of px that H and W must be a multiple of, and ``reach``,
    the distance in px beyond which an input pixel has no influence on an output pixel (None where
    every pixel sees the whole slice). A factory without a use for `width` or `depth` still takes
    them.
    """

    def __call__(self, *, n_classes: int, width: int, depth: int) -> nn.Module:
        """Build a network for `n_classes` classes."""


def _unet(*, n_classes: int, width: int, depth: int) -> nn.Module:
    from srseg.backbones._unet import ScaledUNet

    return ScaledUNet(n_classes=n_classes, width=width, depth=depth)


_registry: Registry[BackboneFactory] = Registry("srseg.backbones", "backbone")
_registry.register("unet", _unet)


def list_backbones() -> list[str]:
    """List the backbones there are, without loading any.

    Returns
    -------
    list of str
        The names, sorted: built-in ones, those of installed plugins (entry points of the group
        ``srseg.backbones``), and the pattern that stands for all networks of
        segmentation-models-pytorch.

    Examples
    --------
    >>> set(list_backbones()) >= {"unet", "smp:<architecture>/<encoder>"}
    True
    """
    return sorted([*_registry.names(), SMP_PATTERN])


def register_backbone(name: str, factory: BackboneFactory) -> None:
    """Give a factory a name for the rest of this process.

    A plugin does the same for good with an entry point of the group ``srseg.backbones``. Other
    processes (``n_jobs`` of a grid search) do not know the name: they need the entry point, or the
    callable itself as backbone.

    Parameters
    ----------
    name : str
        The name that users type.
    factory : callable
        Builds the network; see `BackboneFactory`.

    Raises
    ------
    ParameterError
        If the name is empty or begins with ``smp:``, or if `factory` cannot be called.
    PluginError
        If the name is taken.
    """
    if not name or name.startswith(SMP_PREFIX):
        raise ParameterError(
            f"a backbone cannot be named {name!r}; choose a name that is not empty and does not "
            f"begin with {SMP_PREFIX!r}"
        )
    if not callable(factory):
        raise ParameterError(
            f"the factory of backbone {name!r} is of type {type(factory).__name__}; give a "
            "callable with the keywords n_classes, width and depth"
        )
    _registry.register(name, factory)


def create_backbone(
    spec: str | BackboneFactory, *, n_classes: int, width: int = 32, depth: int = 3
) -> nn.Module:
    """Build a network with weights drawn from torch's global random generator.

    Parameters
    ----------
    spec : str or callable
        A name from `list_backbones`, ``"smp:<architecture>/<encoder>"`` such as
        ``"smp:unet/resnet34"``, or a factory (see `BackboneFactory`).
    n_classes : int
        Number K of classes, at least 2.
    width : int, default 32
        Channels of the first convolution. The networks of segmentation-models-pytorch have their
        sizes in their names: for them `width` and `depth` have no effect.
    depth : int, default 3
        Number of encoder blocks.

    Returns
    -------
    torch.nn.Module
        In training mode, on the CPU (or the default device), float32: slices of shape (N, 1, H, W)
        to logits of shape (N, K, H, W). Its attribute ``stride`` (int) is what H and W must be a
        multiple of; ``reach`` (int or None) is the distance in px beyond which an input pixel has
        no influence on an output pixel, None where there is no such distance.

    Raises
    ------
    ParameterError
        If a number is too small or a name is incomplete.
    UnknownNameError
        If there is no such backbone, architecture or encoder.
    PluginError
        If a plugin cannot be loaded or what it builds is no such network.

    Examples
    --------
    >>> network = create_backbone("unet", n_classes=4, width=8, depth=3)
    >>> network.stride, network.reach
    (8, 52)
    """
    n_classes = whole_number("n_classes", n_classes, 2)
    width = whole_number("width", width, 1)
    depth = whole_number("depth", depth, 1, _DEEPEST)
    if isinstance(spec, str) and spec.startswith(SMP_PREFIX):
        from srseg.backbones._smp import create_smp

        return create_smp(spec.removeprefix(SMP_PREFIX), n_classes=n_classes)
    if isinstance(spec, str):
        try:
            factory: Any = _registry.get(spec)
        except UnknownNameError as error:
            raise UnknownNameError(f"{error}, {SMP_PATTERN}") from None
    elif callable(spec):
        factory = spec
    else:
        raise ParameterError(
            f"backbone is of type {type(spec).__name__}; give a name "
            f"({', '.join(list_backbones())}) or a callable with the keywords n_classes, width "
            "and depth"
        )
    return _checked(backbone_name(spec), factory(n_classes=n_classes, width=width, depth=depth))


def backbone_name(spec: str | BackboneFactory) -> str:
    """Give the name of a backbone for messages and tables."""
    return spec if isinstance(spec, str) else getattr(spec, "__qualname__", type(spec).__name__)


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Take a parameter that must be a whole number of at least `least`, and at most `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        raise ParameterError(
            f"{name}={value!r} cannot work; give a whole number of at least {least}"
            + ("" if most is None else f" and at most {most}")
        )
    return number


def _checked(name: str, network: Any) -> nn.Module:
    from torch import nn

    if not isinstance(network, nn.Module):
        raise PluginError(
            f"the backbone {name!r} built a {type(network).__name__}; it must build a "
            "torch.nn.Module"
        )
    stride: Any = getattr(network, "stride", None)
    if not _is_int(stride) or stride < 1:
        raise PluginError(
            f"the network of backbone {name!r} has stride={stride!r}; set its attribute "
            "`stride` to the whole number of px that height and width must be a multiple of (1 if "
            "any size will do)"
        )
    reach: Any = getattr(network, "reach", "missing")
    if reach is not None and (not _is_int(reach) or reach < 0):
        raise PluginError(
            f"the network of backbone {name!r} has reach={reach!r}; set its attribute "
            "`reach` to the distance in px beyond which an input pixel has no influence on an "
            "output pixel, or to None if every pixel sees the whole slice"
        )
    return network


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
