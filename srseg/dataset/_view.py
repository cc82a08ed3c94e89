"""The samples of a dataset as scikit-learn sees them: an X that is cut without being read."""

from __future__ import annotations

import operator
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from srseg.dataset._find import unknown_sample
from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._sample import DatasetSample
from srseg.dataset._select import select_keys
from srseg.dataset._tables import read_label_table
from srseg.errors import ParameterError
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable


class SampleView:
    """Some samples of a dataset, in an order; the reading half of `Dataset`.

    Parameters
    ----------
    layout : Layout
        The dataset folder.
    keys : sequence of SampleKey
        The samples.
    """

    def __init__(self, layout: Layout, keys: Sequence[SampleKey]) -> None:
        self._layout = layout
        self._keys = tuple(keys)
        self._whole = True
        self._target = "WF"

    @property
    def path(self) -> Path:
        """The dataset folder."""
        return self._layout.root

    @property
    def title(self) -> str:
        """The name that ``dataset_description.json`` gives."""
        return str(read_json(self._layout.description).get("Name", self.path.name))

    @property
    def table(self) -> LabelTable:
        """The classes of the study."""
        return read_label_table(self._layout.label_table)

    @property
    def target(self) -> str:
        """The label set that fit and score use."""
        return self._target

    @property
    def names(self) -> list[str]:
        """The names of the samples, in order."""
        return [key.name for key in self._keys]

    @property
    def subjects(self) -> list[str]:
        """The subject of each sample: the ``groups`` of a `GroupKFold`."""
        return [key.subject for key in self._keys]

    @property
    def shape(self) -> tuple[int]:
        """The number of samples, as scikit-learn asks for it."""
        return (len(self._keys),)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[DatasetSample]:
        return (self._sample(key) for key in self._keys)

    @overload
    def __getitem__(self, index: int | np.integer[Any] | str) -> DatasetSample: ...

    @overload
    def __getitem__(
        self, index: slice | Sequence[int] | NDArray[Any] | tuple[Any, ...]
    ) -> Self: ...

    def __getitem__(self, index: Any) -> DatasetSample | Self:
        if isinstance(index, tuple):
            # scikit-learn cuts whatever has a shape with X[indices, ...]
            if len(index) != 2 or index[1] is not Ellipsis:
                raise ParameterError(f"a dataset has one axis, its samples; found index {index!r}")
            index = index[0]
        if isinstance(index, str):
            for key in self._keys:
                if key.name == index:
                    return self._sample(key)
            raise unknown_sample(self._layout, index, self.names)
        if isinstance(index, slice):
            return self._view(self._keys[index])
        if np.ndim(index) == 0 and not isinstance(index, bool | np.bool_):
            try:
                return self._sample(self._keys[operator.index(index)])
            except IndexError:
                raise IndexError(
                    f"index {index} is out of range: {self.path} has {len(self)} samples here"
                ) from None
        return self._view([self._keys[i] for i in self._positions(index)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SampleView):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        found = self._layout.label_sets()
        sets = Counter(s for key in self._keys for s in found.get(key, ()))
        text = ", ".join(f"{name} {n}" for name, n in sorted(sets.items())) or "none"
        return (
            f"Dataset({str(self.path)!r}, {len(self)} samples, label sets: {text}, "
            f"target {self._target!r})"
        )

    def select(
        self,
        *,
        has: str | Sequence[str] | None = None,
        name: str | Sequence[str] | None = None,
        subject: str | Sequence[str] | None = None,
        **metadata: object,
    ) -> Self:
        """Give a view of the samples that fit every condition.

        Parameters
        ----------
        has : str or sequence of str, optional
            Label sets that the sample must have, all of them.
        name, subject : str or sequence of str, optional
            The sample's name or subject, one of these.
        **metadata : object
            A value, or a list of values of which one must fit, by metadata key; a quantity may be
            a text with a unit.

        Returns
        -------
        Dataset
            The view; empty where nothing fits.

        Raises
        ------
        UnknownNameError
            If a name or a key is not known; lists what there is.

        Examples
        --------
        >>> from srseg import Dataset
        >>> dataset = Dataset.create(getfixture("tmp_path") / "mgbone")
        >>> len(dataset.select(has="WF", alloy=["Mg-5Gd", "Mg-10Gd"], energy="38 keV"))
        0
        """
        conditions = {"name": name, "subject": subject, **metadata}
        wanted = {key: value for key, value in conditions.items() if value is not None}
        return self._view(select_keys(self._layout, self._keys, has, wanted))

    def with_target(self, label_set: str) -> Self:
        """Give the same samples with another label set for fit and score.

        Parameters
        ----------
        label_set : str
            Its name, for example ``"HQ"``.

        Returns
        -------
        Dataset
            The view.
        """
        view = self._view(self._keys)
        view._target = label_set
        return view

    def __getstate__(self) -> dict[str, Any]:
        return {
            "root": str(self._layout.root),
            "keys": [tuple(key) for key in self._keys],
            "whole": self._whole,
            "target": self._target,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._layout = Layout(Path(state["root"]))
        self._keys = tuple(SampleKey(*key) for key in state["keys"])
        self._whole = state["whole"]
        self._target = state["target"]

    @property
    def _identity(self) -> tuple[Layout, tuple[SampleKey, ...], str]:
        return self._layout, self._keys, self._target

    def _sample(self, key: SampleKey) -> DatasetSample:
        return DatasetSample(self._layout.root, key.subject, key.name, self._target)

    def _view(self, keys: Sequence[SampleKey]) -> Self:
        view = type(self).__new__(type(self))
        view.__setstate__(
            {**self.__getstate__(), "keys": [tuple(key) for key in keys], "whole": False}
        )
        return view

    def _positions(self, index: Any) -> list[int]:
        array = np.asarray(index)
        if array.dtype == bool and array.shape == self.shape:
            return [int(i) for i in np.flatnonzero(array)]
        if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
            outside = array[(array < -len(self)) | (array >= len(self))] if array.size else array
            if outside.size:
                raise IndexError(
                    f"index {outside[0]} is out of range: {self.path} has {len(self)} samples here"
                )
            return [int(i) for i in array]
        raise ParameterError(
            f"samples are chosen by an integer, a slice, a list of integers or a mask of length "
            f"{len(self)}; found {index!r}"
        )
