"""Where a token comes from, and those that cannot be used, which are reported before any request."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from cluster.errors import AuthenticationError
from cluster.settings import Cluster
from cluster.tokens import read_token


def web_token(claims: object) -> str:
    """A JSON web token (RFC 7519) with these claims and no valid signature."""
    parts = [json.dumps({"alg": "RS256"}).encode(), json.dumps(claims).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def cluster(token: str) -> Cluster:
    return Cluster(name="c", token=token)


def test_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "  of-the-environment\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("of-a-file\n")
    requested: list[tuple[str, str]] = []

    def read_secret(name: str, key: str) -> str:
        requested.append((name, key))
        return "of-a-secret\n"

    assert read_token(cluster("")) == ""
    assert read_token(cluster("env:THE_TOKEN")) == "of-the-environment"
    assert read_token(cluster("file:~/token")) == "of-a-file"
    assert read_token(cluster("secret:tonemill-ray-token/auth_token"), read_secret=read_secret) == "of-a-secret"
    assert requested == [("tonemill-ray-token", "auth_token")]


def test_tokens_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for claims in ({"exp": time.time() + 60}, {"sub": "x"}, [1], {"exp": "soon"}):
        monkeypatch.setenv("T", web_token(claims))
        assert read_token(cluster("env:T")) == web_token(claims)
    monkeypatch.setenv("T", web_token({"exp": 1_700_000_000}))
    with pytest.raises(AuthenticationError, match=r"token of c \(env:T\) expired at 2023-11-14 22:13:20 UTC. Renew it"):
        read_token(cluster("env:T"))


@pytest.mark.parametrize("token", ["two words", "two\nlines", "größer", "tab\tbed", "nul\0"])
def test_what_cannot_be_a_token(token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    with pytest.raises(AuthenticationError, match="cannot be the token of c") as raised:
        read_token(cluster(f"file:{tmp_path}/token"))
    assert token not in str(raised.value)


def test_tokens_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABSENT", raising=False)
    with pytest.raises(AuthenticationError, match="the environment variable ABSENT, which is not set"):
        read_token(cluster("env:ABSENT"))
    with pytest.raises(AuthenticationError, match=f"in the file {tmp_path}/absent, which cannot be read"):
        read_token(cluster(f"file:{tmp_path}/absent"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(AuthenticationError, match=r"The token of c .* is empty"):
        read_token(cluster(f"file:{tmp_path}/empty"))
    with pytest.raises(AuthenticationError, match="in a secret of Kubernetes"):
        read_token(cluster("secret:a/b"))
