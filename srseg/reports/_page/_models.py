"""The models that made the predictions: their training curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.estimators import model_facts
from srseg.reports._curve import training_curve
from srseg.reports._page._parts import Picture, drawing
from srseg.storage import file_sha256
from srseg.training import History

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def find_models(made: Iterable[Mapping[str, Any]], folders: Sequence[Path]) -> list[Path]:
    """Find the model files of predictions by name and checksum.

    Parameters
    ----------
    made : iterable of mapping
        The provenance of predictions: ``model`` and ``model_sha256``.
    folders : sequence of Path
        Where to look.

    Returns
    -------
    list of Path
        Each once; a file of the same name that is another model is left out.
    """
    wanted = {(str(one.get("model") or ""), str(one.get("model_sha256") or "")): None
              for one in made}  # fmt: skip
    found: dict[Path, None] = {}
    for name, sha256 in wanted:
        if not name or Path(name).name != name:
            continue
        for path in (folder / name for folder in folders):
            if path.is_file() and file_sha256(path) == sha256:
                found[path] = None
                break
    return list(found)


def model_part(path: Path) -> tuple[dict[str, str], Picture | None]:
    """Say what a model is, and draw how it learned.

    Parameters
    ----------
    path : Path
        The model file.

    Returns
    -------
    facts : dict of str to str
        Values by what they are.
    curve : Picture or None
        The training curve; None where the file keeps none.
    """
    said = model_facts(path)
    history = History.from_dict(said["history"]) if "history" in said else None
    facts = {
        "Model": path.name,
        **_what(said),
        "Voxel size": "of the scan" if said["voxel_size_um"] is None
        else f"{said['voxel_size_um']:g} µm",
        "Trained on": ", ".join(map(str, said["training_samples"])) or "–",
        "Judged by": ", ".join(map(str, said["validation_samples"])) or "–",
    }  # fmt: skip
    if history is not None:
        best = f", best {history.best_iter}" if history.best_iter else ""
        facts["Iterations"] = f"{history.n_iter}{best}"
    versions = f"srseg {said['srseg']}" + (f", torch {said['torch']}" if "torch" in said else "")
    facts["Written"] = f"{said['created']} with {versions}"
    if said.get("started_from"):
        facts["Went on from"] = _started(said["started_from"])
    if history is None or not history.records:
        return facts, None
    return facts, drawing(
        training_curve(history),
        f"Curves of loss and learning rate against iterations of {path.name}.",
        f"How {path.name} learned.",
    )


def _what(said: Mapping[str, Any]) -> dict[str, str]:
    """Say what it is: a network with its sizes, or a segmenter of a plugin."""
    parameters = said["parameters"]
    if "backbone" in parameters:
        return {
            "Network": f"{parameters['backbone']}, width {parameters['width']}, depth "
            f"{parameters['depth']}, patches of {parameters['input_size']}² pixels"
        }
    return {"Segmenter": f"{said['segmenter']} of the package {said['package']}"}


def _started(said: Any) -> str:
    if isinstance(said, dict):
        return str(said.get("model") or said.get("file") or said.get("name") or "another model")
    return str(said)
