"""Check that a backbone keeps the contract that training and prediction rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.backbones import create_backbone
from srseg.errors import PluginError

if TYPE_CHECKING:
    from srseg.backbones import BackboneFactory

__all__ = ["check_backbone"]


def check_backbone(
    spec: str | BackboneFactory, *, width: int = 4, depth: int = 2, smallest: int = 1
) -> None:
    """Check a backbone on small random slices, on the CPU; says nothing if all is well.

    - With 2 and with 4 classes, slices whose height and width are different multiples of ``stride``
      give finite float32 logits of shape (N, K, H, W), and the slices themselves stay as they were.
    - In training mode the gradient of the loss reaches every trainable parameter.
    - In evaluation mode a slice gives the same logits twice, and alone the same as among others,
      and the network stays as it was.
    - A second network that takes over the weights through ``state_dict``, kept as safetensors in
      between, gives the same logits.
    - No pixel farther away along an axis than ``reach`` has an influence, at any position relative
      to ``stride``, and a slice cut at multiples of ``stride`` gives, farther inside than
      ``reach``, the logits of the whole slice. (Not where ``reach`` is None.)

    Parameters
    ----------
    spec : str or callable
        As for `srseg.backbones.create_backbone`.
    width : int, default 4
        Passed to the factory; small, so that the check is quick.
    depth : int, default 2
        Passed to the factory.
    smallest : int, default 1
        Height and width of the smallest slice that is tried, in multiples of ``stride``: networks
        that pool the slice to a few pixels need more than one.

    Raises
    ------
    PluginError
        If the backbone breaks a rule; the message says which.

    Examples
    --------
    >>> check_backbone("unet", width=2, depth=1)
    """
    import torch

    from srseg.testing import _backbone_rules as rules

    def build(n_classes: int) -> torch.nn.Module:
        try:
            return create_backbone(spec, n_classes=n_classes, width=width, depth=depth)
        except TypeError as error:
            raise PluginError(
                "the factory could not build a network from the keywords n_classes, width and "
                f"depth ({error}); take all three, also those without a use"
            ) from error

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for n_classes in (2, 4):
            network = build(n_classes)
            # first: it also fills the statistics of batch norm with something to keep
            rules.gradients_reach_every_parameter(network, n_classes, smallest)
            network.eval()
            rules.logits_have_the_shape(network, n_classes, smallest)
        rules.evaluation_is_a_function_of_the_slice(network, smallest)
        rules.weights_travel(network, build(n_classes).eval(), smallest)
        rules.nothing_beyond_reach(network, smallest)
