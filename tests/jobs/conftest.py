"""One Ray for all tests of jobs: to start it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.local_ray import start_ray


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local Ray with four logical CPUs; jobs that find it use it instead of starting their own."""
    import ray

    start_ray(num_cpus=4, object_store_bytes=150_000_000)
    yield
    ray.shutdown()
