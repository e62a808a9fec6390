"""A store behind a proxy that fails on command, and what tests of S3 share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from lstm_core.storage.s3 import S3Store
from lstm_core.storage.s3_client import Patience
from tests.s3_servers import FaultyProxy

Fault = Callable[[int, str, str], str]
Faulty = Callable[..., tuple[FaultyProxy, S3Store]]
PATIENT = Patience(read_s=2.0)  # for what passes: this machine may be busy
IMPATIENT = Patience(connect_s=0.5, read_s=0.5, retry_s=3.0, unreachable_s=1.0, lost_s=1.5)  # for what does not
SECRETS = ("AKIDTESTONLY", "wJalr-not-a-real-secret", "token-of-a-session")


def bytes_of(size: int, seed: int = 0) -> bytes:
    """Bytes of no pattern."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


@pytest.fixture
def faulty(moto_endpoint: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """Opens an impatient store behind a proxy with faults."""
    with ExitStack() as stack:

        def start(fault: Fault, patience: Patience = PATIENT) -> tuple[FaultyProxy, S3Store]:
            proxy = stack.enter_context(FaultyProxy(moto_endpoint, fault))
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            return proxy, S3Store(patience)

        yield start
