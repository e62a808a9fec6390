"""One Ray for all tests of jobs: to start it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.runtime.local_ray import start_ray
from tests.cluster.conftest import kube, kube_server, kubeconfig, operator, overlays, studio  # noqa: F401
from tests.s3_servers import settings_of


@pytest.fixture(scope="session")
def ray_cluster(moto_endpoint: str) -> Iterator[None]:
    """A local Ray with four logical CPUs; jobs that find it use it instead of starting their own.

    Its workers reach the S3 server of the tests: they inherit what the environment holds while Ray starts.
    """
    import ray

    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings_of(moto_endpoint).items():
            patch.setenv(name, value)
        start_ray(num_cpus=4, object_store_bytes=150_000_000)
    yield
    ray.shutdown()
