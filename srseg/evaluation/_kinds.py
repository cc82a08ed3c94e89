"""What kind a model is of: only models of one kind are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError
from srseg.estimators import VolumeSegmenter, segmenter_facts

if TYPE_CHECKING:
    from collections.abc import Iterable


def kind_of(model: Any) -> str:
    """Tell what kind a model is of.

    Parameters
    ----------
    model : estimator
        A segmenter, fitted or not.

    Returns
    -------
    str
        Of a network its backbone, of others the name by which users ask for one, and of a class
        without a name that of the class.
    """
    if isinstance(model, VolumeSegmenter):
        backbone = model.backbone
        return backbone if isinstance(backbone, str) else _name(backbone)
    try:
        return str(segmenter_facts(model)["segmenter"])
    except ParameterError:
        return type(model).__name__


def models_by_kind(models: Iterable[Any]) -> dict[str, list[Any]]:
    """Divide models into those of one kind each.

    Parameters
    ----------
    models : iterable of estimator
        Fitted segmenters.

    Returns
    -------
    dict of str to list
        The models of each kind, kinds and models in the order in which they are given.
    """
    found: dict[str, list[Any]] = {}
    for model in models:
        found.setdefault(kind_of(model), []).append(model)
    return found


def labels_slices(model: Any) -> bool:
    """Tell whether there are planes to fuse of a model.

    Parameters
    ----------
    model : estimator
        A segmenter.

    Returns
    -------
    bool
        Whether it labels slices; others label blocks of a volume.
    """
    return callable(getattr(model, "predict_slices_proba", None))


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__qualname__))
