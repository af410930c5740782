"""Libraries that some environments of the tests have."""

from __future__ import annotations

from typing import Any

import pytest


def installed(name: str) -> Any:
    """Return a library, without which a test is skipped, and says so."""
    return pytest.importorskip(name, reason=f"{name} is not installed")
