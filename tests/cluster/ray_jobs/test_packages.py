"""Files that travel with a job."""

from __future__ import annotations

import io
import zipfile

import pytest

from cluster.errors import (
    ClusterError,
)
from cluster.job import JobRequest
from cluster.ray_jobs.packages import pack
from tests.cluster.clients import client_of
from tests.cluster.fake_dashboard import FakeDashboard


def test_packages_are_named_by_content_and_sent_once() -> None:
    files = {"order/a.toml": b"one", "order/b/c.mid": bytes(range(256))}
    name, data = pack(files)
    assert pack(dict(reversed(files.items()))) == (name, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry: archive.read(entry) for entry in archive.namelist()} == files
    assert name != pack({**files, "order/a.toml": b"two"})[0] != pack({"order/a.tom": b"lone"})[0]
    with pytest.raises(ClusterError, match=r"big\.csv would have to travel with the job: 60 MB, of 50 at most"):
        pack({"big.csv": bytes(60_000_000)})
    with FakeDashboard() as server, client_of(server) as client:
        for again in range(2):
            client.submit(JobRequest(stage="train", arguments=(str(again),), files=files))
        assert server.packages == {name: data} and server.count("PUT") == 1
