"""``srseg backbones``."""

from typing import Annotated, Any

import typer

from srseg.cli._options import JsonOption
from srseg.cli._output import say, say_json, say_pairs

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


@app.command("show", epilog="Example: srseg backbones show unet --width 96 --depth 5 --json")
def show(
    name: Annotated[str, typer.Argument(help="For example unet, or smp:unet/resnet34.")],
    width: Annotated[int, typer.Option(help="Channels of the first convolution.")] = 32,
    depth: Annotated[int, typer.Option(help="Number of encoder blocks.")] = 3,
    input_size: Annotated[int, typer.Option(help="Edge of a slice in pixels.")] = 384,
    n_classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Tell how large a network is, what a slice costs, and how far it sees."""
    from srseg.backbones import describe_backbone

    info = describe_backbone(
        name, n_classes=n_classes, width=width, depth=depth, input_size=input_size
    ).to_dict()
    if as_json:
        say_json(info)
        return
    say_pairs({key.replace("_", " "): _readable(key, value) for key, value in info.items()})


def _readable(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key.startswith("memory"):
        return f"{value / 2**30:.3g} GiB"
    if key == "parameters":
        return f"{value / 1e6:.4g} M"
    if key == "flops":
        return f"{value / 1e9:.4g} G per slice"
    if key.startswith("receptive") or key in ("stride", "reach", "input_size"):
        return f"{value} px"
    return value
