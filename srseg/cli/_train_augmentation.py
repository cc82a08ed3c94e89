"""How ``srseg train`` varies patches."""

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from srseg.training import Augmentation


def parse_augmentation(augment: bool, texts: list[str] | None) -> "bool | Augmentation":
    """Read ``NAME=AMOUNT`` texts; without any, whether patches are varied as the paper does."""
    if not texts:
        return augment
    from srseg.errors import ParameterError
    from srseg.training import Augmentation

    base = Augmentation() if augment else Augmentation.none()
    names = [field.name for field in fields(base) if isinstance(getattr(base, field.name), float)]
    amounts: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            amounts[name] = float(number)
        except ValueError:
            name = ""
        if name not in names:
            raise typer.BadParameter(
                f"{text!r} is not NAME=AMOUNT with one of: {', '.join(names)}", param_hint="--vary"
            )
    try:
        return replace(base, **amounts)  # type: ignore[arg-type]
    except ParameterError as error:
        raise typer.BadParameter(str(error), param_hint="--vary") from None
