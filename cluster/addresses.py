"""What an address of a job server and the URI of a bucket may be."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # docs.aws.amazon.com: bucket naming rules


def check_address(address: str, *, has_token: bool) -> None:
    """ValueError, with what to do, if this is not the address of a Ray dashboard that a token may be sent to."""
    if not address:
        return
    wanted = 'it must be the address of the Ray dashboard, as "https://ray.example.org" or "http://127.0.0.1:8265"'
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"address is {address!r} ({error}), {wanted}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"address is {address!r}, {wanted}")
    if port in (6379, 10001):
        raise ValueError(f"address is {address!r}: at port {port} Ray does not take jobs, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"address has a user, a query or a fragment at {host!r}, {wanted}")
    if parts.scheme == "http" and has_token and not is_private(host):
        raise ValueError(
            f"address is {address!r}: the token would travel unencrypted. Use https://, or forward the port "
            "(kubectl port-forward) and use http://127.0.0.1:8265"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(host: str) -> bool:
    """Whether a host is this machine, of a private network, or a name that only resolves inside of one."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".svc", ".local", ".internal", ".localhost"))


def check_bucket(name: str, uri: str) -> None:
    """ValueError, with what to do, if this is not a place that all nodes of a cluster see."""
    if not uri:
        return
    scheme, separator, rest = uri.partition("://")
    wanted = 'it must be a URI that all nodes see: "s3://BUCKET", "s3://BUCKET/PREFIX" or "file:///SHARED/FOLDER"'
    if not separator or scheme not in ("s3", "file"):
        raise ValueError(f"the bucket {name} is {uri!r}, {wanted}")
    if scheme == "file" and not rest.startswith("/"):
        raise ValueError(f"the bucket {name} is {uri!r}, which is no path from the root, {wanted}")
    bucket = rest.partition("/")[0]
    if scheme == "s3" and (not _BUCKET.fullmatch(bucket) or ".." in bucket):
        raise ValueError(
            f"the bucket {name} is {uri!r}: {bucket!r} cannot be the name of a bucket "
            "(3 to 63 of a-z, 0-9, - and ., without an _ or a capital)"
        )
