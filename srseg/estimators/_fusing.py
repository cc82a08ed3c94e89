"""What labels volumes with a fitted model: its planes fused, or the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sklearn.frozen import FrozenEstimator

from srseg.errors import ParameterError
from srseg.estimators._ensemble import MultiAxisEnsemble
from srseg.estimators._predictors import labels_blocks, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.planes import Plane

_PLANES = 3


def fuse_planes(
    model: Any,
    planes: int | Sequence[Plane | str] | None = None,
    voting: Literal["soft", "hard"] = "soft",
    *,
    max_memory: int | str | None = None,
) -> Any:
    """Give what labels volumes with a fitted model, whatever kind it is of.

    Parameters
    ----------
    model : estimator
        A fitted segmenter.
    planes : int or sequence of Plane or str, optional
        The planes that are fused of a model that labels slices, 3 where it is None. A model that
        labels blocks of a volume has none: only None and 1 are right.
    voting : {"soft", "hard"}, default="soft"
        How planes are fused.
    max_memory : int or str, optional
        Memory that prediction may have; see `MultiAxisEnsemble`.

    Returns
    -------
    MultiAxisEnsemble or estimator
        With `predict`, `predict_proba`, `score`, `prepare_prediction` and `description`.

    Raises
    ------
    ParameterError
        If planes are asked for of a model that has none.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg import VolumeSegmenter
    >>> labels = np.zeros((8, 8, 8), np.uint8)
    >>> labels[2:6, 2:6, 2:6] = 1
    >>> model = VolumeSegmenter(depth=1, width=2, input_size=8, max_iter=1, random_state=0)
    >>> fuse_planes(model.fit([labels * 9.0], [labels]), 9).description
    'soft9'
    """
    if labels_blocks(unwrapped(model)):
        if planes not in (None, 1):
            raise ParameterError(
                f"a {type(unwrapped(model)).__name__} labels blocks of the volume and no slices, "
                f"so that there are no planes to fuse; leave out planes={planes!r}"
            )
        return model
    chosen = _PLANES if planes is None else planes
    ensemble = MultiAxisEnsemble(
        FrozenEstimator(model), planes=chosen, voting=voting, max_memory=max_memory
    )
    return ensemble.fit(None)
