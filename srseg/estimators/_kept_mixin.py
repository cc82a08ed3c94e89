"""What a file keeps of a segmenter that is made of BaseSegmenter."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from srseg.errors import ParameterError
from srseg.estimators._catalog import segmenter_name
from srseg.estimators._domain import Domain, read_voxel_size
from srseg.estimators._origin import package_version
from srseg.estimators._plain import plain, plain_parameters, read_plain, read_plain_parameters
from srseg.estimators._predictors import weight_bytes
from srseg.labels import LabelTable
from srseg.preprocessing import check_clip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COMMON = frozenset(
    ("label_table_", "classes_", "voxel_size_", "clip_", "domain_", "training_samples_",
     "validation_samples_", "training_subjects_")
)  # fmt: skip


class KeptMixin:
    """Gives `save`, `state`, `restore` and what files and checksums are made of."""

    label_table_: LabelTable
    classes_: Any
    voxel_size_: float | None
    clip_: tuple[float, float]
    domain_: Domain
    training_samples_: list[str]
    validation_samples_: list[str]
    training_subjects_: list[str]

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write what was learned, parameters, label table and provenance to one file.

        Parameters
        ----------
        path : path
            The file, by custom with the suffix ``.srseg``.
        overwrite : bool, default=False
            Whether an existing file is replaced.
        """
        from srseg.estimators._model_file import save_model

        check_is_fitted(self)
        save_model(self, path, overwrite=overwrite)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what was learned, for a file: by default all attributes that end in an underscore.

        Returns
        -------
        arrays : dict of str to ndarray or Tensor
            Numbers of any shape.
        facts : dict of str to object
            Plain data.
        """
        arrays: dict[str, Any] = {}
        facts: dict[str, Any] = {}
        for name, value in vars(self).items():
            if not is_fitted(name) or name in _COMMON:
                continue
            if isinstance(value, (np.ndarray, torch.Tensor)):
                arrays[name] = value
            else:
                facts[name] = value
        return arrays, facts

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave; what cannot be right is refused with a ValueError.

        A file may come from anyone: shapes and indices are checked here, where a class uses them.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The arrays.
        facts : mapping of str to object
            Plain data.
        """
        for name, value in {**arrays, **facts}.items():
            if not is_fitted(name) or name in _COMMON or hasattr(type(self), name):
                raise ValueError(f"a {type(self).__name__} has no fitted attribute {name!r}")
            setattr(self, name, value)

    def packed(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Give what a file keeps.

        Returns
        -------
        document : dict
            Plain data for JSON.
        tensors : dict of str to Tensor
            Copies on the CPU.
        """
        document, tensors = self._learned()
        package = type(self).__module__.partition(".")[0]
        return {"segmenter": segmenter_name(self), "package": package, **document}, tensors

    def _learned(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        arrays, facts = self.state()
        document = {
            "parameters": plain_parameters(self),
            "label_table": self.label_table_.to_dicts(),
            "voxel_size_um": self.voxel_size_,
            "clip": list(self.clip_),
            "domain": self.domain_.to_dict(),
            "training_samples": self.training_samples_,
            "validation_samples": self.validation_samples_,
            "training_subjects": self.training_subjects_,
            "facts": {name: plain(value, name) for name, value in facts.items()},
        }
        return document, {name: _tensor(value, name) for name, value in arrays.items()}

    @classmethod
    def unpacked(
        cls, document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], where: str
    ) -> Self:
        """Make a fitted segmenter of what a file keeps; the inverse of `packed`.

        Parameters
        ----------
        document : mapping
            Plain data.
        tensors : mapping of str to Tensor
            The tensors.
        where : str
            The file, for messages.

        Returns
        -------
        BaseSegmenter
            Fitted.
        """
        segmenter = cls(**read_plain_parameters(document["parameters"]))
        segmenter.label_table_ = LabelTable.from_dicts(document["label_table"], where=where)
        segmenter.voxel_size_ = read_voxel_size(document["voxel_size_um"])
        segmenter.clip_ = check_clip(document["clip"])
        segmenter.domain_ = Domain.from_dict(document["domain"])
        segmenter.restore(
            {name: value.numpy() for name, value in tensors.items()}, read_plain(document["facts"])
        )
        segmenter.training_samples_ = [str(name) for name in document["training_samples"]]
        segmenter.validation_samples_ = [str(name) for name in document["validation_samples"]]
        segmenter.training_subjects_ = [str(name) for name in document["training_subjects"]]
        segmenter.classes_ = np.array(segmenter.label_table_.values)
        return segmenter

    def digest(self) -> str:
        """Tell what was learned from what another learned.

        Returns
        -------
        str
            SHA-256 of all that a file keeps and of the version of the plugin, hexadecimal; a class
            needs no name for it.
        """
        document, tensors = self._learned()
        document["version"] = package_version(type(self))
        found = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
        for name in sorted(tensors):
            found.update(name.encode())
            found.update(weight_bytes(tensors[name]))
        return found.hexdigest()


def is_fitted(name: str) -> bool:
    """Tell whether an attribute is something that was learned, by its name.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    bool
        Whether it ends in an underscore, and begins with none.
    """
    return name.endswith("_") and not name.startswith("_")


def _tensor(value: Any, name: str) -> torch.Tensor:
    try:
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
    except TypeError as error:
        raise ParameterError(
            f"a model cannot be saved with {name}, an array of {value.dtype}: arrays of numbers "
            "can, and text in lists"
        ) from error
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
