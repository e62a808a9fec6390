"""The errors of submitting jobs that a user can do something about; their messages say what.

ClusterError
    ClusterFileError        the file that names clusters is wrong
    UnreachableError        nobody answers, or what answers is no job server
    AuthenticationError     no token, a wrong one, one that has expired
    VersionMismatchError    the cluster runs another Ray than this client is made for
    NotFoundError           there is no such job, cluster, resource
    ServerError             the job server failed at something
    JobFailedError          a job ended otherwise than well
    KubernetesError
        KubeconfigError, OperatorMissingError, ImagePullError, QuotaError, UnschedulableError, ForbiddenError,
        NameTooLongError, ExistsError, ConflictError, InvalidError
    ScheduleError           a schedule is malformed or can never run
"""

from __future__ import annotations

from lstm_core.foundation.errors import TonemillError


class ClusterError(TonemillError):
    """Base of all errors of clusters."""


class ClusterFileError(ClusterError):
    """The cluster file is malformed, or does not hold what was requested."""


class UnreachableError(ClusterError):
    """Nothing answers at the address of a cluster."""


class AuthenticationError(ClusterError):
    """A cluster wants a token, or does not take the one it got."""


class VersionMismatchError(ClusterError):
    """A cluster runs another version of Ray than this client is made for."""


class NotFoundError(ClusterError):
    """What was requested is not on the cluster (any more)."""


class ServerError(ClusterError):
    """A server answered that it failed, or something that we do not understand."""


class JobFailedError(ClusterError):
    """A job failed or was stopped; `exit_code` is the one a command line should end with."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message, exit_code)  # both, so that it survives a trip between processes
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message


class KubernetesError(ClusterError):
    """Kubernetes refused or failed at something."""


class KubeconfigError(KubernetesError):
    """There is no usable kubeconfig, or not the requested context."""


class OperatorMissingError(KubernetesError):
    """The kinds of KubeRay are not installed."""


class ImagePullError(KubernetesError):
    """A node cannot fetch the image of a pod."""


class QuotaError(KubernetesError):
    """A quota of the namespace is used up."""


class UnschedulableError(KubernetesError):
    """No node has free resources for a pod; the message holds the reason of the scheduler."""


class ForbiddenError(KubernetesError):
    """The account lacks the right to do that; the message names the right."""


class NameTooLongError(KubernetesError):
    """A name is longer than Kubernetes or KubeRay take."""


class ExistsError(KubernetesError):
    """There is an object of that name already."""


class ConflictError(KubernetesError):
    """Somebody else changed an object in the meantime."""


class InvalidError(KubernetesError):
    """Kubernetes does not take a manifest; the message names the fields."""


class ScheduleError(ClusterError):
    """A schedule is malformed, or holds a time that never comes."""
