"""What becomes of a test whose server, browser or client is not on this machine."""

from __future__ import annotations

import os

import pytest

# With this set to 1 what cannot be started is a failure and no skip.
REQUIRE_SERVERS = "STOCKTAKE_TEST_REQUIRE_SERVERS"


def skip_or_fail(reason: str) -> None:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get(REQUIRE_SERVERS) == "1":
        pytest.fail(f"{reason} ({REQUIRE_SERVERS}=1)", pytrace=False)
    pytest.skip(reason)
