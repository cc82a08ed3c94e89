"""Findings by what they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from srseg.doctor import Finding


@pytest.fixture
def by_topic() -> Callable[[list[Finding]], dict[str, Finding]]:
    """Give findings by their topic, of which each stands once."""

    def sort(findings: list[Finding]) -> dict[str, Finding]:
        found = {finding.topic: finding for finding in findings}
        assert len(found) == len(findings)
        return found

    return sort
