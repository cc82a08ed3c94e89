"""The errors that srseg raises on purpose.

Each one is an :class:`SRSegError` and also the builtin that a caller would expect, so that both
``except SRSegError`` and ``except ValueError`` work. Messages name the file or the parameter, what
was found, what is allowed, and what to do next.
"""

__all__ = [
    "DatasetError",
    "FileFormatError",
    "GridError",
    "InUseError",
    "LabelError",
    "MissingFileError",
    "MissingPackageError",
    "ModelFileError",
    "NotEnoughMemoryError",
    "ParameterError",
    "PluginError",
    "SRSegError",
    "StorageError",
    "TrainingError",
    "UnknownNameError",
    "UnsupportedEstimatorError",
]


class SRSegError(Exception):
    """Base of everything that srseg raises on purpose."""


class ParameterError(SRSegError, ValueError):
    """A parameter or an option has a value that cannot work."""


class UnknownNameError(SRSegError, LookupError):
    """A name (of a sample, a label set, a backbone, a plane) is not known; lists what is."""


class FileFormatError(SRSegError, ValueError):
    """A file does not hold what was asked of it, or holds it in a way srseg does not read."""


class MissingFileError(SRSegError, FileNotFoundError):
    """A file or folder that should be there is not."""


class StorageError(SRSegError, OSError):
    """Bytes could not be kept: no space, no permission, or a checksum that does not fit."""

    def __str__(self) -> str:
        """Give the words without the number of the error, which `errno` keeps."""
        return self.strerror or super().__str__()


class InUseError(StorageError):
    """Another process is writing this, and was waited for in vain."""


class DatasetError(SRSegError, ValueError):
    """The archive refuses: a name is taken, an entry is unfinished, metadata contradict."""


class GridError(SRSegError, ValueError):
    """Two volumes do not lie on the same grid, or do not overlap in space."""


class LabelError(SRSegError, ValueError):
    """A label volume holds a value that the label table lacks, or two tables differ."""


class ModelFileError(SRSegError, ValueError):
    """A model file is damaged, foreign, or does not fit what it is used on."""


class NotEnoughMemoryError(SRSegError, MemoryError):
    """What is asked for does not fit into the memory that may be used."""


class MissingPackageError(SRSegError, ImportError):
    """An optional package is needed; the message says how to install it."""


class PluginError(SRSegError, RuntimeError):
    """A plugin could not be loaded or breaks the contract of its room."""


class UnsupportedEstimatorError(SRSegError, TypeError):
    """An estimator does not offer what a meta-estimator needs of it."""


class TrainingError(SRSegError, RuntimeError):
    """Training cannot go on: no labelled voxel, or a loss that is no longer finite."""
