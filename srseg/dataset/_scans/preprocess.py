"""Working copies of many samples: what fails does not stop the rest."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._scans.prepared import Prepared, make_prepared
from srseg.errors import InUseError, SRSegError
from srseg.preprocessing import check_clip
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._sample import DatasetSample


def preprocess_samples(
    layout: Layout,
    samples: Sequence[DatasetSample],
    *,
    voxel_size: float | None,
    clip: tuple[float, float],
    scratch: Path | str | None,
) -> list[Prepared]:
    """Make the working copies of samples; those that another process is making come last."""
    clip = check_clip(clip)  # what is wrong for all samples is said once
    done: dict[int, Prepared] = {}

    def attempt(number: int, *, wait: bool) -> None:
        sample = samples[number]
        key = SampleKey(sample.subject, sample.name)
        try:
            done[number] = make_prepared(
                layout,
                key,
                sample.scan_file,
                voxel_size=voxel_size,
                clip=clip,
                scratch=scratch,
                wait=wait,
            )
        except InUseError as error:
            if wait:
                done[number] = _failed(sample.name, error)
        except (SRSegError, OSError, MemoryError) as error:
            done[number] = _failed(sample.name, error)

    with task("preprocessing", len(samples)) as progress:
        # side by side with another process, each takes what the other has not begun, and what it
        # was at is there in the second round, unless the other failed
        for wait in (False, True):
            for number in range(len(samples)):
                if number not in done:
                    attempt(number, wait=wait)
                    if number in done:
                        progress.advance(status=f"{samples[number].name} {done[number].status}")
    return [done[number] for number in range(len(samples))]


def _failed(name: str, error: Exception) -> Prepared:
    # an OSError would show its number before its words
    reason = str(getattr(error, "strerror", None) or error or type(error).__name__)
    warnings.warn(f"sample {name} could not be prepared: {reason}", stacklevel=5)
    return Prepared(name, None, "failed", reason)
