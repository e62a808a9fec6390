"""Errors of boto3 become StorageErrors that say what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from lstm_core.foundation.errors import (
    BrokenError,
    BucketError,
    ChangedError,
    CredentialsError,
    DeniedError,
    MissingError,
    StalledError,
    StorageError,
    ThrottledError,
    UnreachableError,
)

PASSING = (ThrottledError, StalledError, BrokenError, UnreachableError)  # a retry may help
_THROTTLED = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
    }
)
_NO_S3 = "Cannot reach {place}: the server there is no S3 store. Check AWS_ENDPOINT_URL"
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")  # anything else that a server sends is not shown
_BROKEN = frozenset(
    {
        "RequestTimeout",
        "IncompleteBody",
        "BadDigest",
        "OperationAborted",
        "ConditionalRequestConflict",
        "XAmzContentSHA256Mismatch",
    }
)
_CREDENTIALS = {
    "InvalidAccessKeyId": "the store does not know the access key: check AWS_ACCESS_KEY_ID or AWS_PROFILE, and that "
    "AWS_ENDPOINT_URL names the store that they are for",
    "SignatureDoesNotMatch": "the secret key is not the one of the access key: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired: get new ones (as with aws sso login)",
    "InvalidToken": "the session token is not valid: get new credentials, or unset AWS_SESSION_TOKEN",
    "TokenRefreshRequired": "the credentials must be renewed",
    "RequestTimeTooSkewed": "the clock of this machine differs too much from that of the store: set it right",
    "AccountProblem": "the account of these credentials has a problem: ask its owner",
}
_ELSEWHERE = frozenset(
    {
        "PermanentRedirect",
        "301",
        "307",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    }
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One operation on a store, as errors report it."""

    action: str  # the right that it needs, as in policies: GetObject
    uri: str
    endpoint: str
    credentials: str = ""  # where they come from

    @property
    def where(self) -> str:
        """Address of the store, without a user or password that stands in it."""
        parts = urlsplit(self.endpoint)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def explained(error: Exception, request: Request) -> StorageError:
    """The StorageError for an error of boto3, botocore or urllib3. No text of a server is included: it may
    repeat the request, with tokens.
    """
    if isinstance(error, boto.ClientError):
        return _of_answer(error, request)
    place = f"{request.uri} ({request.where})"
    if isinstance(error, boto.ReadTimeoutError):
        return StalledError(f"Cannot reach {place}: the connection stalled")
    if isinstance(error, boto.SSLError):
        return UnreachableError(
            f"Cannot reach {place}: its certificate is not trusted. For a private store set AWS_CA_BUNDLE to its "
            "certificate; else check AWS_ENDPOINT_URL"
        )
    if isinstance(error, boto.ConnectTimeoutError | boto.EndpointConnectionError | boto.ProxyConnectionError):
        return UnreachableError(
            f"Cannot reach {place}: {_reason(error)}. Check the network, AWS_ENDPOINT_URL and AWS_REGION"
        )
    if isinstance(error, ResponseParserError):
        return UnreachableError(_NO_S3.format(place=place))
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsError(
            f"Cannot reach {request.uri}: there are no credentials. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or run where a role is attached"
        )
    if isinstance(error, boto.ProfileNotFound):
        return CredentialsError(f"Cannot reach {request.uri}: {error}. Check AWS_PROFILE")
    if isinstance(error, _CREDENTIAL_ERRORS):
        return CredentialsError(
            f"Cannot reach {request.uri}: the credentials cannot be obtained ({type(error).__name__}). Check "
            "AWS_PROFILE and the AWS_ variables, or log in again"
        )
    if isinstance(error, boto.BotoCoreError) and not isinstance(error, _BREAKS):
        return StorageError(
            f"Cannot {request.action} {request.uri}: {type(error).__name__}. Check the URI and the AWS_ variables"
        )
    return BrokenError(f"Cannot reach {place}: the connection broke ({type(error).__name__})")


_CREDENTIAL_ERRORS = (
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.SSOError,
    boto.LoginError,
    boto.MetadataRetrievalError,
)
_BREAKS = (
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    boto.ConnectionError,
)


def code_of(error: Exception) -> str:
    """The code of an answer of the store, or its HTTP status if it has no body, as to HEAD; empty without an answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def status_of(error: Exception) -> int:
    """The HTTP status of an answer of the store, 0 without an answer."""
    if not isinstance(error, boto.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _content_type(error: boto.ClientError) -> str:
    return str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", ""))


def _of_answer(error: boto.ClientError, request: Request) -> StorageError:
    code, status, uri = code_of(error), status_of(error), request.uri
    if status in (400, 405, 500) and "html" in _content_type(error):  # boto3 makes a 500 of a 200 that is no XML
        return UnreachableError(_NO_S3.format(place=f"{uri} ({request.where})"))
    status_text = f"{status} {code}" if _CODE.fullmatch(code) and not code.isdigit() else str(status)
    if code in _THROTTLED or status in (429, 503):
        return ThrottledError(f"Cannot {request.action} {uri}: the store is throttling requests ({status_text})")
    if code in _BROKEN or status in (500, 502, 504):
        return BrokenError(f"Cannot {request.action} {uri}: the store failed ({status_text})")
    if code == "NoSuchBucket":
        bucket = uri.partition("://")[2].partition("/")[0]
        return BucketError(
            f"Cannot {request.action} {uri}: there is no bucket {bucket} at {request.where}. Check the name, and "
            "AWS_ENDPOINT_URL if it is in another store; tonemill makes no buckets"
        )
    if code in _CREDENTIALS:
        return CredentialsError(f"Cannot {request.action} {uri}: {_CREDENTIALS[code]}")
    if code == "InvalidObjectState":
        return StorageError(f"Cannot {request.action} {uri}: the object is archived. Restore it in the store first")
    if code in _ELSEWHERE:
        return BucketError(f"Cannot {request.action} {uri}: the bucket is in another region. Set AWS_REGION to it")
    if status == 404:
        return MissingError(f"Cannot {request.action} {uri}: there is nothing of that name")
    if status == 412:
        return ChangedError(
            f"Cannot {request.action} {uri}: it was changed since it was listed. Run the same command again"
        )
    if status in (401, 403):
        return DeniedError(
            f"Access denied: s3:{request.action} on {uri}. Give {request.credentials or 'whoever runs this'} that right"
            " (without s3:ListBucket, what does not exist is denied too), or use other credentials (AWS_PROFILE)"
        )
    if status == 501:
        return StorageError(
            f"Cannot {request.action} {uri}: {request.where} does not support conditional writes ({status_text}), "
            "which are required"
        )
    if status == 507 or "StorageFull" in code or "QuotaExceeded" in code:
        return StorageError(f"Cannot {request.action} {uri}: the store is full ({status_text}). Free some space there")
    return StorageError(
        f"Cannot {request.action} {uri}: {request.where} answers {status_text}. Check AWS_ENDPOINT_URL and the URI"
    )


def _reason(error: Exception) -> str:
    text = str(getattr(error, "kwargs", {}).get("error", ""))
    if isinstance(error, boto.ProxyConnectionError):
        return "the proxy of HTTP_PROXY or HTTPS_PROXY cannot be reached"
    if isinstance(error, boto.ConnectTimeoutError):
        return "nobody answers"
    if "resolve" in text.lower() or "name" in text.lower():
        return "the name of the host is not known"
    return "the connection is refused" if "refused" in text.lower() else "there is no connection"
