"""All that a prediction depends on beside the scan: plain data, which travels to other machines."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from srseg.cli._options import is_number

if TYPE_CHECKING:
    from srseg.volumes import Region

RUNTIMES = ("auto", "torch", "compile", "openvino")
SAVES = ("disagreement", "probabilities")


@dataclass(frozen=True)
class PredictionSettings:
    """What the options of ``srseg predict`` say, for samples and for scan files alike."""

    model: Path
    planes: str | None = None
    voting: str = "soft"
    grid: Literal["model", "scan"] = "model"
    roi: "Region | None" = None
    device: str | None = None
    precision: str | None = None
    runtime: str | None = None
    saves: tuple[str, ...] = ()
    file_format: str | None = None
    out: Path | None = None
    overwrite: bool = False
    max_memory: int | None = None
    scratch: Path | None = None
    resumable: bool = True
    restart: bool = False

    def paths(self) -> list[Path]:
        """List the files and folders that must be there."""
        return [path for path in (self.model, self.out, self.scratch) if path is not None]

    def everywhere(self) -> "PredictionSettings":
        """Give the same with paths that do not depend on the current folder."""
        out, scratch = (p and p.absolute() for p in (self.out, self.scratch))
        return replace(self, model=self.model.absolute(), out=out, scratch=scratch)

    def ensemble(self) -> Any:
        """Load the model, and give what labels volumes with it: see `fuse_planes`."""
        from srseg.errors import SRSegError
        from srseg.estimators import fuse_planes, load_model
        from srseg.planes import resolve_planes

        model = load_model(self.model)
        known = model.get_params(deep=False)
        for name in ("device", "precision", "runtime"):
            value = getattr(self, name)
            if value is not None and name not in known:
                raise typer.BadParameter(
                    f"{self.model} holds a {type(model).__name__}, which has no {name} to choose; "
                    "leave it out",
                    param_hint=f"--{name}",
                )
            if value is not None:
                model.set_params(**{name: value})
        if self.voting not in ("soft", "hard"):
            raise typer.BadParameter(f"{self.voting!r} is not soft or hard", param_hint="--voting")
        if not callable(getattr(model, "predict_slices_proba", None)):
            self._refuse_planes()
            return model
        chosen: Any = self.planes
        try:
            if chosen is not None:
                chosen = resolve_planes(int(chosen) if is_number(chosen) else chosen)
        except SRSegError as error:
            raise typer.BadParameter(f"{self.planes!r}: {error}", param_hint="--planes") from None
        return fuse_planes(model, chosen, self.voting)  # type: ignore[arg-type]

    def _refuse_planes(self) -> None:
        why = f"{self.model} labels blocks of the volume and no slices, so that there are no planes"
        ways = "leave it out, or give a model that labels slices"
        if self.planes not in (None, "1"):
            raise typer.BadParameter(f"{why} to fuse; {ways}", param_hint="--planes")
        if self.voting == "hard":
            raise typer.BadParameter(f"{why} that could vote; {ways}", param_hint="--voting")


def model_in(fused: Any) -> Any:
    """Give the fitted model that `PredictionSettings.ensemble` fuses planes of, or that it is."""
    from srseg.estimators import MultiAxisEnsemble

    return fused.estimator_.estimator if isinstance(fused, MultiAxisEnsemble) else fused


def planes_of(fused: Any) -> list[str]:
    """Name the planes that are fused; none of a model that labels blocks of a volume."""
    from srseg.estimators import MultiAxisEnsemble

    return [p.name for p in fused.planes_] if isinstance(fused, MultiAxisEnsemble) else []


def parse_part(text: str | None) -> tuple[int, int]:
    """Read ``I/N``: which of how many parts, from 1 to N."""
    if text is None:
        return 1, 1
    number, slash, count = text.partition("/")
    if not slash or not all(map(is_number, (number, count))):
        raise typer.BadParameter(
            f"{text!r} is not I/N, for example 3/8 for the third of eight parts",
            param_hint="--part",
        )
    if not 1 <= int(number) <= int(count):
        advice = "; for SLURM say --array=1-N, not from 0" if not int(number) else ""
        raise typer.BadParameter(
            f"{text!r}: parts are counted from 1 to {count}{advice}", param_hint="--part"
        )
    return int(number), int(count)


def parse_saves(texts: Iterable[str] | None) -> tuple[str, ...]:
    """Read what is to be saved beside the labels: the option repeated, or words with commas."""
    words = [word.strip() for text in texts or () for word in text.split(",")]
    for word in words:
        if word not in SAVES:
            raise typer.BadParameter(
                f"{word!r} is not one of {', '.join(SAVES)}", param_hint="--save"
            )
    return tuple(word for word in SAVES if word in words)


def parse_memory(text: str | None) -> int | None:
    """Read a number of bytes with its unit."""
    from srseg.errors import ParameterError
    from srseg.units import parse_size

    if text is None:
        return None
    try:
        return parse_size(text, name="--max-memory")
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None


def parse_choice(text: str | None, allowed: Iterable[str], option: str) -> str | None:
    """Refuse a word that is none of those that an option knows."""
    if text is not None and text not in allowed:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(allowed)}", param_hint=option)
    return text
