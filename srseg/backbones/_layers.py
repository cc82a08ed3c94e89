"""The layers of a backbone one by one (the paper's Table S1), as the network itself runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.backbones._catalog import SMP_PREFIX, backbone_name, whole_number
from srseg.backbones._describe import measured, meta_network
from srseg.backbones._layer_table import Layer, LayerTable, Stage
from srseg.backbones._stages import phases_of, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones._catalog import BackboneFactory
    from srseg.backbones._steps import Step

__all__ = ["layer_table"]


def layer_table(
    spec: str | BackboneFactory,
    *,
    n_classes: int = 4,
    width: int = 32,
    depth: int = 3,
    input_size: int = 384,
) -> LayerTable:
    """List the layers of a backbone, as the paper's Table S1 does for its baseline.

    A slice is followed through the network itself, on torch's meta device, where tensors have
    shapes but no values: the table cannot say anything else than what runs, and its totals are
    those of `describe_backbone`.

    Parameters
    ----------
    spec : str or callable
        As for `create_backbone`.
    n_classes : int, default 4
        Number K of classes.
    width : int, default 32
        Channels of the first convolution.
    depth : int, default 3
        Number of encoder blocks.
    input_size : int, default 384
        Height and width of a slice [px]; taken up to a multiple of the network's stride.

    Returns
    -------
    LayerTable
        Layers and stages.

    Raises
    ------
    ParameterError
        If a number is too small.
    UnknownNameError
        If there is no such backbone.
    PluginError
        If the network cannot be run on a slice of that size, or not without values.

    Examples
    --------
    >>> table = layer_table("unet", width=96, depth=5, input_size=512)
    >>> round(table.parameters / 1e6, 1)
    279.8
    >>> for layer in table.layers[:3]:
    ...     print(layer.stage, layer.operation, layer.out_channels, layer.output_size)
    encoder 1 conv + BN + Mish 96 (512, 512)
    encoder 1 conv + BN + Mish 96 (512, 512)
    encoder 1 max-pool 96 (256, 256)
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from srseg.backbones._trace import Trace

    input_size = whole_number("input_size", input_size, 1)
    network = meta_network(spec, n_classes=n_classes, width=width, depth=depth)
    stride = int(network.stride)  # type: ignore[arg-type]  # checked by create_backbone
    size = -(-input_size // stride) * stride
    network.eval()
    with measured(spec, size), FlopCounterMode(display=False) as counter:
        trace = Trace(network, counter)
        trace.run(torch.empty(1, 1, size, size, device="meta"))
    steps = trace.steps
    names = phases_of(steps)
    is_the_papers = getattr(network, "receptive_field_paper", None) is not None
    sized_by_name = isinstance(spec, str) and spec.startswith(SMP_PREFIX)
    return LayerTable(
        name=backbone_name(spec),
        n_classes=n_classes,
        width=None if sized_by_name else width,
        depth=None if sized_by_name else depth,
        input_size=size,
        layers=tuple(
            _layer(step, name, is_the_papers=is_the_papers)
            for step, name in zip(steps, names, strict=True)
        ),
        stages=_stages(steps, names),
    )


def _layer(step: Step, stage: str, *, is_the_papers: bool) -> Layer:
    return Layer(
        stage=stage,
        module=step.module,
        kind=step.kind,
        operation=_said(step.words),
        kernel=step.kernel,
        stride=step.stride,
        in_channels=step.in_channels,
        out_channels=step.out_channels,
        output_size=step.size,
        parameters=step.parameters,
        flops=step.flops,
        receptive_field=step.seen,
        receptive_field_paper=step.seen_paper if is_the_papers else None,
        inputs=tuple(sorted(step.inputs)),
    )


def _said(words: Sequence[str]) -> str:
    """Give what follows each other once: two sums in a row are said as one."""
    return " + ".join(word for i, word in enumerate(words) if i == 0 or word != words[i - 1])


def _stages(steps: Sequence[Step], names: Sequence[str]) -> tuple[Stage, ...]:
    found = []
    runs = stages_of(names)
    stage_of = {number: place for place, run in enumerate(runs) for number in run} | {-1: -1}
    for place, run in enumerate(runs):
        maps = [steps[i] for i in run if steps[i].size not in (None, (1, 1))]
        # a pooling at the end of an encoder stage already has the next one's size
        inside = [step for step in maps if step.kind != "pooling"] or maps
        in_encoder = names[run[0]].startswith("encoder")
        sources = {stage_of[source] for i in run for source in steps[i].inputs} - {place}
        found.append(
            Stage(
                name=names[run[0]],
                layers=tuple(run),
                channels=_channels_out(steps, run, skipped_from=(runs[place + 1 :] or [[]])[0]),
                size=inside[0 if in_encoder else -1].size if inside else None,
                sources=tuple(sorted(sources)),
            )
        )
    return tuple(found)


def _channels_out(
    steps: Sequence[Step], run: Sequence[int], *, skipped_from: Sequence[int]
) -> int | None:
    """Give the channels of what a stage hands on: to skips if it has any, else at its end.

    What follows that, at the same resolution, is the next block's first convolution.
    """
    after = range(max([*run, *skipped_from]) + 1, len(steps))
    read = [source for i in after for source in steps[i].inputs if source in run]
    ends = [max(read)] if read else list(run)
    channels = [
        steps[i].out_channels for i in ends
        if steps[i].out_channels is not None
        and steps[i].size != (1, 1) and steps[i].kind != "pooling"
    ]  # fmt: skip
    return channels[-1] if channels else None
