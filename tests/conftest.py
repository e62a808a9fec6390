"""One S3 server for all tests and one Ray cluster with a job server: to start them takes a second and ten."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.ray_servers import RayHead, ray_head_running
from tests.s3_servers import moto_running, plain_client, settings_of

# Properties: the same few examples in every run of `make test`; other ones, and more, in every run of `make fuzz`.
settings.register_profile("ci", derandomize=True, max_examples=100, deadline=None, database=None)
settings.register_profile("fuzz", max_examples=12_000, deadline=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The address of a moto server in a process of its own."""
    with moto_running() as endpoint:
        yield endpoint


@pytest.fixture
def s3_bucket(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket, with the environment set so that this process and its children reach it."""
    for name, value in settings_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    plain_client(moto_endpoint).create_bucket(Bucket=bucket)
    return f"s3://{bucket}"


@pytest.fixture(scope="session")
def ray_head(moto_endpoint: str) -> Iterator[RayHead]:
    """A Ray cluster in processes of its own, with a job server behind a token, whose jobs reach the S3 server."""
    pytest.importorskip("aiohttp_cors", reason="the job server needs ray[default]")
    with ray_head_running(variables=settings_of(moto_endpoint)) as head:
        yield head
