"""The cluster file: what is read is what was written, and errors are named with what is right."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from cluster import settings
from cluster.errors import ClusterError, ClusterFileError
from cluster.settings import Buckets, Cluster, Prices, add_cluster, cluster_from_values, find_cluster, read_clusters
from lstm_core.foundation.errors import TonemillError

STUDIO = """\
# Ours. The other one is rented.
[studio]
address = "https://ray.example.org"
token = "env:RAY_AUTH_TOKEN"
ca_file = "~/studio-ca.pem"
context = "arn:aws:eks:eu-central-1:123456789012:cluster/studio"
image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tonemill:0.1.0"
overlay = "gpu-spot"
region = "eu-central-1"

[studio.buckets]
corpus = "s3://studio-corpus"
blocks = "s3://studio-blocks/v1"
runs = "s3://studio-runs"
catalogue = "s3://studio-catalogue"

[studio.prices]
currency = "EUR"
head = 0.19
cpu = 1
gpu = 0.53
storage_gb_month = 0.023

[studio.roles]
prepare = "arn:aws:iam::123456789012:role/studio-prepare"

[laptop]  # started by hand
address = "http://127.0.0.1:8265"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "clusters.toml"
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    clusters = read_clusters(write(tmp_path, STUDIO))
    assert clusters == {
        "studio": Cluster(
            name="studio",
            address="https://ray.example.org",
            token="env:RAY_AUTH_TOKEN",
            ca_file="~/studio-ca.pem",
            context="arn:aws:eks:eu-central-1:123456789012:cluster/studio",
            namespace="tonemill",
            image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/tonemill:0.1.0",
            overlay="gpu-spot",
            region="eu-central-1",
            buckets=Buckets(
                corpus="s3://studio-corpus",
                blocks="s3://studio-blocks/v1",
                runs="s3://studio-runs",
                catalogue="s3://studio-catalogue",
            ),
            prices=Prices(currency="EUR", head=0.19, cpu=1.0, gpu=0.53, storage_gb_month=0.023),
            roles={"prepare": "arn:aws:iam::123456789012:role/studio-prepare"},
        ),
        "laptop": Cluster(name="laptop", address="http://127.0.0.1:8265"),
    }


def test_what_is_written_is_read_again_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path, STUDIO)
    before = read_clusters(path)
    renewed = Cluster(
        name="studio", region="us-east-1", buckets=Buckets(runs='s3://new-runs/a"b\\'), roles={"a b": "ü"}
    )
    assert add_cluster(renewed, path) == path
    assert read_clusters(path) == {"studio": renewed, "laptop": before["laptop"]}
    text = path.read_text()
    assert "# Ours. The other one is rented." in text and "# started by hand" in text and text.count("[studio]") == 1
    add_cluster(before["studio"], path)
    assert read_clusters(path) == before
    once = path.read_text()
    add_cluster(before["studio"], path)
    assert path.read_text() == once and [file.name for file in tmp_path.iterdir()] == ["clusters.toml"]


def test_a_file_and_its_folder_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONEMILL_CLUSTERS", str(tmp_path / "new" / "mine.toml"))
    assert settings.clusters_path() == tmp_path / "new" / "mine.toml" and read_clusters() == {}
    only = Cluster(name="only")
    assert add_cluster(only) == tmp_path / "new" / "mine.toml"
    assert tomllib.loads(settings.clusters_path().read_text()) == {"only": {"namespace": "tonemill"}}
    assert find_cluster(None) == find_cluster("only") == only
    monkeypatch.delenv("TONEMILL_CLUSTERS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.clusters_path() == tmp_path / ".config" / "tonemill" / "clusters.toml"


def test_the_output_of_terraform_is_a_cluster() -> None:
    """All keys that it has, but for the name."""
    output = json.loads(
        '{"context": "arn:aws:eks:x", "namespace": "tonemill", "image": "r.io/tonemill:1", "overlay": "cpu-small",'
        '"region": "eu-central-1", "token": "secret:tonemill-ray-token/auth_token",'
        '"buckets": {"corpus": "s3://c-1x", "blocks": "s3://b-1x", "runs": "s3://r-1x", "catalogue": "s3://k-1x"},'
        '"prices": {"currency": "USD", "head": 0.19, "cpu": 0, "gpu": 0.53, "storage_gb_month": 0.023},'
        '"roles": {"train": "arn:aws:iam::1:role/t"}}'
    )
    cluster = cluster_from_values("small", output, source="terraform")
    assert cluster.prices.cpu == 0.0 and cluster.buckets.catalogue == "s3://k-1x" and cluster.address == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nadress = 'https://x.org'", r"unknown key a\.adress\. Did you mean a\.address\?"),
        ("[a]\ncolour = 'red'", r"unknown key a\.colour\. Other keys: address, token, ca_file"),
        ("[a.buckets]\ncorpora = 's3://abc'", r"unknown key a\.buckets\.corpora\. Did you mean a\.buckets\.corpus\?"),
        ("[a.buckets]\nruns = 'abc'", "bucket runs is 'abc', it must be a URI that all nodes see"),
        ("[a.buckets]\nruns = 's3://My_Bucket/x'", "'My_Bucket' cannot be the name of a bucket"),
        ("[a.buckets]\nruns = 's3://'", "'' cannot be the name of a bucket"),
        ("[a.buckets]\nruns = 'gs://abc'", "it must be a URI that all nodes see"),
        ("[a.buckets]\nruns = 'file://abc'", "no path from the root"),
        ("[a]\nbuckets = 's3://abc'", r"a\.buckets is 's3://abc', it must be a table"),
        ("[a.prices]\ngpu = -1", "a.prices: gpu is -1.0, a price is a number from 0 up"),
        ("[a.prices]\ngpu = nan", "gpu is nan, a price"),
        ("[a.prices]\ngpu = '0.5'", r"a\.prices\.gpu is '0.5', it must be a number"),
        ("[a.prices]\ngpu = true", "a.prices.gpu is True, it must be a number"),
        ("[a.prices]\ncurrency = 'dollars'", 'currency is "dollars"'),
        ("[a.roles]\ntrain = 1", r"a\.roles\.train is 1, it must be text in quotes"),
        ("[a]\naddress = 5", "a.address is 5, it must be text in quotes"),
        ("[a]\naddress = 'ray.example.org'", "must be the address of the Ray dashboard"),
        ("[a]\naddress = 'ray://head:10001'", "must be the address of the Ray dashboard"),
        ("[a]\naddress = 'http://127.0.0.1:6379'", "at port 6379 Ray does not take jobs"),
        ("[a]\naddress = 'http://127.0.0.1:99999'", "must be the address"),
        ("[a]\naddress = 'https://me:secret@x.org'", r"address has a user.*'x.org'"),
        ("[a]\naddress = 'http://ray.example.org'\ntoken = 'env:T'", "token would travel unencrypted. Use https"),
        ("[a]\ntoken = 'file:'", "got such a place, malformed"),
        ("[a]\ntoken = 'secret:tonemill-ray-token'", "got such a place, malformed"),
        ("[a]\ntoken = 'env:A-B'", "got such a place, malformed"),
        ("[a]\nnamespace = 'My Space'", "a: namespace is 'My Space'"),
        ("[a]\nimage = 'registry.io/tonemill'", "image is 'registry.io/tonemill', it must be an image with its tag"),
        ("[a]\noverlay = '../../etc'", "it must be the name of a folder of k8s/overlays"),
        ("[a]\nname = 'b'", "has a key name"),
        ("[My-Cluster]", '"My-Cluster" is no name for a cluster'),
        ("address = 'https://x.org'", "stands outside of a table"),
        ("[a", "is not TOML"),
    ],
)
def test_user_errors(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ClusterFileError, match=message) as raised:
        read_clusters(path)
    assert str(path) in str(raised.value)
    with pytest.raises(ClusterFileError, match=message):
        add_cluster(Cluster(name="b"), path)
    assert path.read_text() == text  # a file that is not understood is left alone


def test_a_token_in_the_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(ClusterFileError, match="token does not hold the token but where it is kept") as raised:
        read_clusters(write(tmp_path, '[a]\ntoken = "5f3a9c0d"'))
    assert "5f3a9c0d" not in str(raised.value)


def test_places_that_a_token_may_be_sent_to() -> None:
    for address in (
        "https://ray.example.org/prefix",
        "http://127.0.0.1:8265",
        "http://[::1]:8265",
        "http://10.1.2.3:8265",
    ):
        assert Cluster(name="a", address=address, token="env:T").address == address
    assert Cluster(name="a", address="http://head.tonemill.svc:8265", token="secret:ray-token/auth_token").token
    assert Cluster(name="a", address="http://ray.example.org").token == ""


def test_clusters_that_are_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, STUDIO)
    with pytest.raises(ClusterFileError, match=r"no cluster 'stduio'. Did you mean studio\?"):
        find_cluster("stduio", path)
    with pytest.raises(ClusterFileError, match=r"no cluster 'qq'. It has studio, laptop."):
        find_cluster("qq", path)
    with pytest.raises(ClusterFileError, match=r"several clusters: studio, laptop. Say which with --cluster"):
        find_cluster(None, path)
    with pytest.raises(ClusterFileError, match=r"There is no cluster in .*tonemill cluster add"):
        find_cluster("studio", tmp_path / "absent.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(ClusterFileError, match="cannot be read"):
        read_clusters(folder)
    assert issubclass(ClusterFileError, ClusterError) and issubclass(ClusterError, TonemillError)
