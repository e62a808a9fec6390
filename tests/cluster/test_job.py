"""What is requested as a job, and how it ended."""

from __future__ import annotations

import pytest

from cluster.errors import (
    ClusterError,
    JobFailedError,
)
from cluster.job import JobInfo, JobRequest, JobStatus


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "message"),
    [
        ("FAILED", 3, 3, "it ended with exit code 3. `tonemill logs j` shows"),
        ("FAILED", -9, 137, "exit code -9"),
        ("FAILED", 127, 127, "holds no Tonemill"),
        ("FAILED", None, 1, "RUNTIME_ENV_SETUP_FAILURE: Failed to set up. No space left on device"),
        ("STOPPED", -15, 130, "was stopped"),
        ("SUCCEEDED", 0, 0, ""),
        ("RUNNING", None, 0, ""),
    ],
)
def test_how_a_job_ended(status: str, code: int | None, exit_code: int, message: str) -> None:
    info = JobInfo(
        job_id="j", status=JobStatus(status), driver_exit_code=code, error_type="RUNTIME_ENV_SETUP_FAILURE",
        message="Failed to set up.\n  File x\nNo space left on device\n",
    )  # fmt: skip
    assert info.exit_code == exit_code
    if not message:
        return info.check_success()
    with pytest.raises(JobFailedError, match=message) as raised:
        info.check_success()
    assert raised.value.exit_code == exit_code


@pytest.mark.parametrize(
    ("stage", "arguments", "name", "message"),
    [
        ("destroy", (), "", "'destroy' is nothing to submit"),
        ("train", ("a\nb",), "", r"'a\\nb' holds a character that cannot travel"),
        ("train", (), "My Job", "'My Job' is no name for a job"),
    ],
)
def test_requests_that_cannot_be(stage: str, arguments: tuple[str, ...], name: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        JobRequest(stage=stage, arguments=arguments, name=name)
