"""The clusters that jobs can be sent to, named in one TOML file.

The file is that of $TONEMILL_CLUSTERS, else ~/.config/tonemill/clusters.toml. Each cluster is a table:

    [studio]
    address = "https://ray.example.org"     # of the Ray dashboard; without it jobs go through Kubernetes
    token = "env:RAY_AUTH_TOKEN"            # or "file:~/.ray/auth_token", or "secret:NAME/KEY" in the namespace
    ca_file = "studio-ca.pem"               # of who signed the certificate, where it is not a public authority
    context = "studio"                      # of the kubeconfig
    namespace = "tonemill"
    image = "registry.example.org/tonemill:0.1.0"
    overlay = "gpu-spot"                    # which folder of k8s/overlays
    region = "eu-central-1"
    [studio.buckets]                        # URIs
    corpus = "s3://studio-corpus"
    [studio.prices]                         # in `currency`, an hour of one node of each kind
    currency = "USD"
    gpu = 0.53
    [studio.roles]                          # of the jobs, for information

No secret is in it, only where the token is kept.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.addresses import check_address, check_bucket
from cluster.errors import ClusterFileError
from lstm_core.foundation.plain import STRICT, PlainError, nearest
from lstm_core.foundation.toml_text import toml_key, toml_value

CLUSTERS_VARIABLE = "TONEMILL_CLUSTERS"
DEFAULT_PATH = "~/.config/tonemill/clusters.toml"
TOKEN_SOURCES = ("env", "file", "secret")
_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SECRET = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-\w.]+")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_IMAGE = re.compile(r"[a-z0-9][\w.:/-]*(:[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """URIs of the places that jobs read and write; empty where a cluster has none."""

    corpus: str = ""
    blocks: str = ""
    runs: str = ""
    catalogue: str = ""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            check_bucket(item.name, getattr(self, item.name))


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a node of each kind costs an hour, and storage a month, in `currency`."""

    currency: str = "USD"
    head: float = 0.0
    cpu: float = 0.0
    gpu: float = 0.0
    storage_gb_month: float = 0.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ValueError(f'currency is "{self.currency}", it must be three capitals, as "USD"')
        for name in ("head", "cpu", "gpu", "storage_gb_month"):
            value = getattr(self, name)
            if not 0 <= value < 1e6:  # also false for NaN
                raise ValueError(f"{name} is {value}, a price is a number from 0 up")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One cluster of the file."""

    name: str
    address: str = ""  # of the Ray dashboard; empty: jobs go through Kubernetes
    token: str = ""  # where the token is: env:NAME, file:PATH or secret:NAME/KEY; empty: the cluster needs none
    ca_file: str = ""
    context: str = ""  # empty: the current one of the kubeconfig
    namespace: str = "tonemill"
    image: str = ""
    overlay: str = ""
    region: str = ""
    buckets: Buckets = field(default_factory=Buckets)
    prices: Prices = field(default_factory=Prices)
    roles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'"{self.name}" is no name for a cluster: use a-z, 0-9 and - between them, 63 at most')
        check_address(self.address, has_token=bool(self.token))
        _check_token(self.token)
        _check_pattern("namespace", self.namespace, _DNS_LABEL, 'a name as Kubernetes has them, as "tonemill"')
        _check_pattern("image", self.image, _IMAGE, 'an image with its tag or digest, as "registry/tonemill:0.1.0"')
        _check_pattern("overlay", self.overlay, _DNS_LABEL, 'the name of a folder of k8s/overlays, as "gpu-spot"')
        _check_pattern("region", self.region, re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"), 'as "eu-central-1"')


def clusters_path() -> Path:
    """Where the cluster file is, or would be."""
    return Path(os.environ.get(CLUSTERS_VARIABLE) or DEFAULT_PATH).expanduser()


def read_clusters(path: Path | None = None) -> dict[str, Cluster]:
    """All clusters of the file by name, in its order; none where there is no file.

    Raises:
        ClusterFileError: it is not TOML, holds an unknown key (the nearest right one is named) or an impossible value.
    """
    path = path or clusters_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterFileError(f"The cluster file {path} cannot be read: {error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClusterFileError(f"The cluster file {path} is not TOML: {error}") from error
    return {name: cluster_from_values(name, values, source=str(path)) for name, values in tables.items()}


def find_cluster(name: str | None, path: Path | None = None) -> Cluster:
    """The cluster of a name; without a name the only one there is.

    Raises:
        ClusterFileError: there is none of that name, or several and none was named.
    """
    path = path or clusters_path()
    clusters = read_clusters(path)
    if not clusters:
        raise ClusterFileError(
            f"There is no cluster in {path}. Add one with `tonemill cluster add`, or by hand: a table [NAME] with the "
            "address of its Ray dashboard. Or set TONEMILL_CLUSTERS to the file that names yours."
        )
    known = ", ".join(clusters)
    if name is None:
        if len(clusters) > 1:
            raise ClusterFileError(f"{path} names several clusters: {known}. Say which with --cluster NAME.")
        return next(iter(clusters.values()))
    if name not in clusters:
        raise ClusterFileError(
            f"{path} names no cluster {name!r}. {nearest(name, clusters, otherwise=f'It has {known}.')}"
        )
    return clusters[name]


def cluster_from_values(name: str, values: object, *, source: str) -> Cluster:
    """A cluster from what a table of TOML or JSON holds; `source` is named in errors.

    Raises:
        ClusterFileError: an unknown key, a value of the wrong kind, or an impossible one.
    """
    if not isinstance(values, Mapping):
        raise ClusterFileError(
            f"{source}: {name} = {values!r} stands outside of a table. Each cluster is a table: put it below [NAME]."
        )
    if "name" in values:
        raise ClusterFileError(f"{source}: [{name}] has a key name. The name of a cluster is that of its table.")
    try:
        return STRICT.read(Cluster, {**values, "name": name}, prefix=name)
    except PlainError as error:
        raise ClusterFileError(f"{source}: {error}") from error


def add_cluster(cluster: Cluster, path: Path | None = None) -> Path:
    """Writes a cluster into the file and gives back its path; one of the same name is replaced, the rest is kept.

    Raises:
        ClusterFileError: the file that is there cannot be read or written.
    """
    path = path or clusters_path()
    read_clusters(path)  # never write into a file that we do not understand
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        rest = _without_table(text, cluster.name).rstrip("\n")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text((rest + "\n\n" if rest else "") + to_toml(cluster), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ClusterFileError(f"The cluster file {path} cannot be written: {error}") from error
    return path


def to_toml(cluster: Cluster) -> str:
    """The table of a cluster as TOML, without what is empty."""
    values = dataclasses.asdict(cluster)
    name = values.pop("name")
    if cluster.prices == Prices():
        del values["prices"]
    inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    tables = {"": {key: value for key, value in values.items() if key not in inner}, **inner}
    lines: list[str] = []
    for table, entries in tables.items():
        given = [f"{toml_key(key)} = {toml_value(value)}" for key, value in entries.items() if value != ""]
        if given or not table:
            lines += [f"[{name}.{table}]" if table else f"[{name}]", *given]
    return "\n".join(lines) + "\n"


def _check_token(token: str) -> None:
    source, colon, where = token.partition(":")
    is_right = {
        "env": bool(_VARIABLE.fullmatch(where)),
        "file": bool(where.strip()),
        "secret": bool(_SECRET.fullmatch(where)),
    }
    if token and not (colon and is_right.get(source, False)):
        # What was written is not repeated: it may be the token itself.
        raise ValueError(
            "token does not hold the token but where it is kept: env:VARIABLE, file:PATH or secret:NAME/KEY "
            f"(got {'such a place, malformed' if source in TOKEN_SOURCES and colon else 'something else'})"
        )


def _check_pattern(name: str, value: str, pattern: re.Pattern[str], wanted: str) -> None:
    if value and not pattern.fullmatch(value):
        raise ValueError(f"{name} is {value!r}, it must be {wanted}")


def _without_table(text: str, name: str) -> str:
    """The text of a TOML file without one table and those inside it; comments elsewhere are kept."""
    header = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+")
    kept, is_kept = [], True
    for line in text.splitlines(keepends=True):
        if found := header.match(line):
            is_kept = found[1].split(".")[0].strip(" \"'") != name
        if is_kept:
            kept.append(line)
    return "".join(kept)
