"""`tonemill prepare` where there is no store; test_prepare_acceptance.py has it work with one."""

from __future__ import annotations

import time

import pytest

from jobs.prepare.run import run_prepare
from lstm_core.foundation.errors import UnreachableError
from tests.s3_servers import free_port, settings_of


@pytest.mark.slow
def test_a_bucket_that_nobody_serves_is_reported_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(f"http://127.0.0.1:{free_port()}").items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="the connection is refused"):
        run_prepare("s3://nowhere/corpus", "s3://nowhere/blocks")
    assert time.monotonic() - start < 10
