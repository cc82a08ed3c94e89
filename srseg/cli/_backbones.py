"""``srseg backbones``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from srseg.cli._options import JsonOption
from srseg.cli._output import metric, note, say, say_json, say_pairs

app = typer.Typer(no_args_is_help=True, help="The networks there are, and what they cost.")


@app.command("list", epilog="Example: srseg backbones list")
def list_(as_json: JsonOption = False) -> None:
    """List the networks there are."""
    from srseg.backbones import list_backbones

    names = list_backbones()
    if as_json:
        say_json({"backbones": names})
        return
    for name in names:
        say(name)


@app.command(
    "show",
    epilog="Example: srseg backbones show unet --width 96 --depth 5 --json, or the layers as a "
    "table for a paper: srseg backbones show unet --layers --format latex, or a drawing: "
    "srseg backbones show smp:unet/resnet34 --drawing network.svg",
)
def show(
    name: Annotated[str, typer.Argument(help="For example unet, or smp:unet/resnet34.")],
    width: Annotated[int, typer.Option(help="Channels of the first convolution.")] = 32,
    depth: Annotated[int, typer.Option(help="Number of encoder blocks.")] = 3,
    input_size: Annotated[int, typer.Option(help="Edge of a slice in pixels.")] = 384,
    n_classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 4,
    layers: Annotated[
        bool, typer.Option("--layers", help="List the layers one by one instead.")
    ] = False,
    table_format: Annotated[
        Literal["text", "csv", "markdown", "latex"] | None,
        typer.Option("--format", help="How --layers are written (default: text).",
                     show_default=False),
    ] = None,
    drawing: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the network too, as a .png, .svg or .pdf file.",
                     show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Tell how large a network is, what a slice costs, how far it sees, and what it is made of."""
    from srseg.backbones import describe_backbone, layer_table

    if table_format is not None and (as_json or not layers):
        raise typer.BadParameter(
            "it says how --layers are written; give --layers, and no --json",
            param_hint="--format",
        )
    sizes: dict[str, Any] = {
        "n_classes": n_classes,
        "width": width,
        "depth": depth,
        "input_size": input_size,
    }
    answer: dict[str, Any] = {}
    if as_json or not layers:
        answer |= describe_backbone(name, **sizes).to_dict()
    if drawing is not None:
        from srseg.reports import network_figure, save_figure

        save_figure(network_figure(name, **sizes), drawing)
        note(f"drawn: {drawing}")
    if as_json:
        table = layer_table(name, **sizes).to_dict() if layers else {}
        say_json(
            answer
            | {key: table[key] for key in ("layers", "stages") if key in table}
            | ({} if drawing is None else {"drawing": str(drawing)})
        )
    elif layers:
        from srseg.reports import format_layers

        say(format_layers(layer_table(name, **sizes), table_format or "text").rstrip("\n"))
    else:
        say_pairs({key.replace("_", " "): _readable(key, value) for key, value in answer.items()})


def _readable(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key.startswith("memory"):
        return f"{value / 2**30:.3g} GiB"
    if key == "parameters":
        return metric(value, 4)
    if key == "flops":
        return f"{metric(value, 4)} per slice"
    if key.startswith("receptive") or key in ("stride", "reach", "input_size"):
        return f"{value} px"
    return value
