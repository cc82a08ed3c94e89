"""What happened in training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class History:
    """What happened in training.

    Parameters
    ----------
    records : list of dict, default=[]
        One a validation: ``iteration``, ``loss`` (mean training loss since the last one, NaN where
        no patch had a labelled pixel), ``learning_rate``, ``seconds`` (of training until then), and
        with held-out samples ``validation_loss`` (cross-entropy, whatever loss is trained with) and
        ``validation_iou`` (NaN where they hold nothing but background).
    n_iter : int, default=0
        Iterations done.
    best_iter : int, default=0
        The iteration whose weights were kept.
    stopped : bool, default=False
        Whether training was asked to stop before its end.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0
    stopped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give the history as plain data for JSON, which has no word for NaN.

        Returns
        -------
        dict
            The attributes; NaN is None.
        """
        records = [
            {name: None if math.isnan(value) else value for name, value in record.items()}
            for record in self.records
        ]
        return {**asdict(self), "records": records}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """Read a history; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        History
            The history.
        """
        records = [
            {name: math.nan if value is None else value for name, value in record.items()}
            for record in data["records"]
        ]
        return cls(**{**data, "records": records})
