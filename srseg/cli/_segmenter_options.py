"""Options that choose a segmenter and set its parameters, for all commands that fit one."""

import ast
import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import typer

SegmenterOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What is trained: unet, the network that the options below describe, or one of a "
        "plugin; see: srseg plugins list.",
    ),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A parameter of the segmenter: a number, a text, true, false, none, or a list a,b; "
        "repeat it for others.",
        show_default=False,
    ),
]

NETWORK = "unet"
"""The segmenter that most options are of."""

# options that have another name than the parameter that they give
_OTHERWISE = {
    "start": ("--from", "start_from"),
    "seed": ("--seed", "random_state"),
    "vary": ("--vary", "augment"),
    "tensorboard": ("--tensorboard", "max_iter"),
    "restart": ("--restart", "checkpoint"),
    "augment": ("--augment or --no-augment", "augment"),
    "halving": ("--halving", "max_iter"),
}
_ALIKE = (
    "backbone", "width", "depth", "input_size", "voxel_size", "recipe", "max_iter", "batch_size",
    "accumulate", "learning_rate", "loss", "label_smoothing", "draw", "ignore_boundary",
    "clean_labels", "validation", "precision", "device", "max_memory", "scratch",
    "checkpoint_every",
)  # fmt: skip
_OPTIONS = {name: (f"--{name.replace('_', '-')}", name) for name in _ALIKE} | _OTHERWISE


def read_value(text: str) -> Any:
    """Read a value as people write it.

    Parameters
    ----------
    text : str
        ``5``, ``0.3``, ``true``, ``none``, ``1,2,4``, ``[1, 2]``, or anything else.

    Returns
    -------
    object
        A number, a truth value, None, a list, or the text.
    """
    text = text.strip()
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    if "," in text and text[0] not in "[({\"'":
        return [read_value(part) for part in text.split(",") if part.strip()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the last two: thousands of (
        return text


def parse_settings(texts: Iterable[str] | None, option: str = "--set") -> dict[str, Any]:
    """Read ``NAME=VALUE`` texts.

    Parameters
    ----------
    texts : iterable of str or None
        What was given.
    option : str, default="--set"
        For messages.

    Returns
    -------
    dict of str to object
        Values by name.
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not (name.isidentifier() and equals and value) or name in found:
            raise typer.BadParameter(
                f"{text!r} is not NAME=VALUE, such as n_estimators=50, or names a parameter again",
                param_hint=option,
            )
        found[name] = read_value(value)
    return found


def given_options(context: typer.Context) -> dict[str, str]:
    """Find which options that are of a segmenter stand in the command line.

    Parameters
    ----------
    context : Context
        Of the command.

    Returns
    -------
    dict of str to str
        The options as users write them, each with the parameter that it gives.
    """
    found = {}
    for name, (option, parameter) in _OPTIONS.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
            found[option] = parameter
    return found


def split_name(name: str) -> tuple[str, str | None]:
    """Tell a segmenter from a backbone, which is a network with that backbone.

    Parameters
    ----------
    name : str
        What ``--segmenter`` says.

    Returns
    -------
    segmenter : str
        Its name.
    backbone : str or None
        The backbone.
    """
    if name == NETWORK:
        return name, None
    from srseg.backbones import list_backbones
    from srseg.estimators import list_segmenters

    if name not in list_segmenters() and (name in list_backbones() or name.startswith("smp:")):
        return NETWORK, name
    return name, None


def chosen_segmenter(
    context: typer.Context, name: str, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> Any:
    """Make the segmenter that a command is to fit.

    Parameters
    ----------
    context : Context
        Of the command, to tell what was given from what is there anyway.
    name : str
        What ``--segmenter`` says.
    options : mapping
        Parameters of a `VolumeSegmenter` as the options give them.
    settings : mapping
        Parameters as ``--set`` gives them.

    Returns
    -------
    estimator
        Not fitted.
    """
    from srseg.errors import ParameterError
    from srseg.estimators import VolumeSegmenter, create_segmenter, segmenter_class

    name, backbone = split_name(name)
    given = given_options(context)
    if backbone is not None and "--backbone" in given:
        raise typer.BadParameter(
            f"--segmenter {backbone} names the network already; leave one of them out",
            param_hint="--backbone",
        )
    kind = VolumeSegmenter if name == NETWORK else segmenter_class(name)
    known = parameters_of(kind)
    _refuse_twice(name, given, settings)
    for wanted in settings:
        require_parameter(name, known, wanted.partition("__")[0], "--set")
    if name == NETWORK:
        values = dict(options) | ({} if backbone is None else {"backbone": backbone})
        if taken := set(settings) & {parameter for _, parameter in _OPTIONS.values()}:
            first = sorted(taken)[0]
            option = next(o for o, parameter in _OPTIONS.values() if parameter == first)
            raise typer.BadParameter(
                f"{first} of the network has an option of its own; give {option}",
                param_hint="--set",
            )
    else:
        _refuse_foreign(name, known, given)
        values = {p: options[p] for p in given.values() if p in options}
        # what makes the same command give the same model, and lets it go on
        always = ("random_state", "checkpoint", "checkpoint_every")
        values |= {p: options[p] for p in always if p in options and p in known}
        refuse_voxels_of_scans(name, kind, values)
    own = {p: value for p, value in settings.items() if "__" not in p}
    inner = {p: value for p, value in settings.items() if "__" in p}
    segmenter = create_segmenter(name, **{**values, **own})
    for parameter in inner:
        outer = parameter.partition("__")[0]
        if not hasattr(getattr(segmenter, outer), "set_params"):
            raise typer.BadParameter(
                f"{parameter}: {outer} of {name} is {getattr(segmenter, outer)!r}, which has no "
                "parameters of its own",
                param_hint="--set",
            )
    try:
        return segmenter.set_params(**inner)
    except (ValueError, AttributeError) as error:
        if isinstance(error, ParameterError):
            raise
        raise typer.BadParameter(f"{', '.join(inner)}: {error}", param_hint="--set") from None


def parameters_of(kind: type[Any]) -> list[str]:
    """List the parameters of a class of segmenters, as scikit-learn does."""
    return [name for name in inspect.signature(kind).parameters if name != "self"]


def require_parameter(name: str, known: list[str], wanted: str, option: str) -> None:
    """Refuse a parameter that a segmenter does not have."""
    if wanted not in known:
        close = get_close_matches(wanted, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise typer.BadParameter(
            f"the segmenter {name!r} has no parameter {wanted!r}{hint} It has: {', '.join(known)}",
            param_hint=option,
        )


def refuse_voxels_of_scans(name: str, kind: type[Any], values: Mapping[str, Any]) -> None:
    """Refuse ``--voxel-size scan`` where None, which it gives, is the default.

    There it means something else, such as the voxel size of a network inside, and the scans would
    be resampled in silence.
    """
    known = inspect.signature(kind).parameters
    if "voxel_size" not in values or values["voxel_size"] is not None:
        return
    if known["voxel_size"].default is None:
        raise typer.BadParameter(
            f"'scan' is nothing that {name} knows, which finds a voxel size by itself; give that "
            "of the scans, such as 2.4um, or leave it out",
            param_hint="--voxel-size",
        )


def _refuse_twice(name: str, given: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    for option, parameter in given.items():
        if parameter in settings:
            raise typer.BadParameter(
                f"{parameter} of {name} is given with {option} too; leave one of them out",
                param_hint="--set",
            )


def _refuse_foreign(name: str, known: list[str], given: Mapping[str, str]) -> None:
    for option, parameter in given.items():
        if parameter not in known:
            raise typer.BadParameter(
                f"is nothing that the segmenter {name!r} knows; leave it out. Its parameters, to "
                f"be given with --set NAME=VALUE, are: {', '.join(known) or 'none'}",
                param_hint=option,
            )
