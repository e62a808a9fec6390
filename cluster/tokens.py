"""Where the token of a cluster is kept, and whether it can be one."""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from cluster.errors import AuthenticationError
from cluster.settings import Cluster

SecretReader = Callable[[str, str], str]  # the value of a key of a secret of the namespace, by name and key


def read_token(cluster: Cluster, *, read_secret: SecretReader | None = None) -> str:
    """The token of a cluster, without the white space around it; empty when it needs none.

    Args:
        cluster: Whose token.
        read_secret: Reads from Kubernetes what `secret:NAME/KEY` says.

    Raises:
        AuthenticationError: it is not where the cluster file says, cannot be a token, or has expired.
    """
    source, _, where = cluster.token.partition(":")
    token = ""
    if source == "env":
        token = _from_environment(where).strip()
    elif source == "file":
        token = _from_file(where).strip()
    elif source == "secret":
        if read_secret is None:
            raise AuthenticationError(
                f"The token of {cluster.name} is in a secret of Kubernetes ({where}), which cannot be read here. "
                'Put it into a file and write token = "file:PATH" into the cluster file.'
            )
        name, _, key = where.partition("/")
        token = read_secret(name, key).strip()
    if cluster.token and not token:
        raise AuthenticationError(f"The token of {cluster.name} ({cluster.token}) is empty.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise AuthenticationError(
            f"What {cluster.token} holds cannot be the token of {cluster.name}: there is white space, a line break or "
            "a character outside of ASCII inside it."
        )
    expiry_s = _expiry_s(token)
    if expiry_s is not None and expiry_s <= time.time():
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(expiry_s))
        raise AuthenticationError(f"The token of {cluster.name} ({cluster.token}) expired at {when}. Renew it there.")
    return token


def _from_environment(name: str) -> str:
    token = os.environ.get(name)
    if not token:
        raise AuthenticationError(f"The token should be in the environment variable {name}, which is not set.")
    return token


def _from_file(where: str) -> str:
    path = Path(where).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthenticationError(f"The token should be in the file {path}, which cannot be read: {error}") from error


def _expiry_s(token: str) -> float | None:
    """When a JSON web token ends (RFC 7519, claim "exp"), as seconds since 1970; None of any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
