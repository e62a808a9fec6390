"""Orders on hosts that share no file but the program: SoundFont, primer, order and recipe reach the workers anyway.

A SoundFont's path in the cache of the driver, or a primer's on the head, was sent to workers that have no such path. No
test saw it, since all "machines" of the tests shared one file system. Here each has its home folder, its cache and its
inputs for itself, and nothing but the head has inputs.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import yaml

from jobs.command_line import main as cli
from lstm_core import storage
from lstm_core.catalogue.folder import list_tracks
from tests.cluster.conftest import kube_server, kubeconfig  # noqa: F401
from tests.cluster.kube_requests import Object
from tests.cluster.kube_server import KubeServer
from tests.lstm_core.sounds import bundled_soundfont
from tests.net_hosts import NetHosts, net_hosts_running
from tests.ray_nodes import RayNode
from tests.s3_servers import moto_running, plain_client, settings_of
from tests.themes import THEME

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(300)]
BUCKET = "s3://studio"
ORDER = """\
name,duration_s,bpm,key,loop,instruments,seed,primer
loop,4,120,C major,true,piano;bass,3,
primed,8,120,C major,,piano;bass,5,theme.mid
"""
CLUSTERS = """\
[jobs]
address = "http://{host}:8265"
[kubernetes]
context = "fake"
overlay = "cpu-small"
"""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Hosts, and a user beside them with files that no host has."""

    hosts: NetHosts
    user: Path  # folder with order, primer and recipe
    soundfont: Path  # where the head alone has one
    cache: Path  # of each host
    sha256: str  # of the SoundFont

    def generate(self, cluster: str, catalogue: str, *options: str) -> str:
        """What `tonemill submit generate` writes, once it has ended well."""
        output, errors = StringIO(), StringIO()
        submit = ("submit", "--cluster", cluster, "generate", "base", str(self.user / "cues.csv"))
        with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            cli.main([*submit, f"{BUCKET}/{catalogue}", "--workers", "1", *options])
        assert ended.value.code == 0, f"{output.getvalue()}\n{errors.getvalue()}"
        return output.getvalue()

    def run(self, node: RayNode, *command: str, data: bytes = b"") -> str:
        """What a command writes that runs on a host."""
        done = subprocess.run(
            [*self.hosts.inside(node), *command],
            env=self.hosts.environment | self.hosts.settings(),
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode()[-4000:]
        return done.stdout.decode()

    def put(self, node: RayNode, path: str, data: bytes) -> None:
        """Makes a file on a host."""
        self.run(node, "sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0"', path, data=data)

    def cached(self, node: RayNode) -> list[str]:
        """The sha256 of all copies in the cache of a host."""
        return [name for name in self.run(node, "ls", str(self.cache)).split() if len(name) == 64]

    def forget(self) -> None:
        """Empties the caches of all workers."""
        for node in self.hosts.workers:
            self.run(node, "sh", "-c", 'rm -rf "$0"/*', str(self.cache))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A head and two workers that reach one store, and have nothing else in common but the program."""
    pytest.importorskip("aiohttp_cors", reason="the job server needs ray[default]")
    folder = tmp_path_factory.mktemp("studio")
    own = {name: folder / name for name in ("home", "cache", "inputs")}
    user, programs = folder / "user", folder / "bin"
    for made in (user, programs):
        made.mkdir()
    (user / "cues.csv").write_text(ORDER)
    (user / "theme.mid").write_bytes(THEME)
    (user / "recipe.toml").write_text(f'soundfont = "{own["inputs"]}/mine.sf2"\n')
    (programs / "tonemill").write_text(f'#!/bin/sh\nexec {sys.executable} -m jobs.command_line.main "$@"\n')
    (programs / "tonemill").chmod(stat.S_IRWXU)
    soundfont = bundled_soundfont().path.read_bytes() + b"\0\0"  # another sha256 than that which all hosts have

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def settings(gateway: str) -> dict[str, str]:
            store = stack.enter_context(moto_running(gateway))
            plain_client(store).create_bucket(Bucket=BUCKET.removeprefix("s3://"))
            for name, value in settings_of(store).items():
                patch.setenv(name, value)
            patch.setenv("NO_PROXY", "*")
            path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
            return {**settings_of(store), "HOME": str(own["home"]), "TONEMILL_CACHE": str(own["cache"]), "PATH": path}

        dashboard = ("--include-dashboard=true", "--dashboard-host=0.0.0.0", "--dashboard-port=8265")
        hosts = stack.enter_context(
            net_hosts_running(
                num_workers=2, own_folders=list(own.values()), head_arguments=dashboard, settings=settings
            )
        )
        assert hosts.head is not None
        (folder / "clusters.toml").write_text(CLUSTERS.format(host=f"{hosts.subnet}.1"))
        patch.setenv("TONEMILL_CLUSTERS", str(folder / "clusters.toml"))
        found = Studio(
            hosts=hosts,
            user=user,
            soundfont=own["inputs"] / "mine.sf2",
            cache=own["cache"],
            sha256=hashlib.sha256(soundfont).hexdigest(),
        )
        found.put(hosts.head, str(found.soundfont), soundfont)
        storage.write_bytes(f"{BUCKET}/fonts/mine.sf2", soundfont)
        for node in hosts.workers:
            with pytest.raises(AssertionError, match="No such file"):
                found.run(node, "ls", str(found.soundfont))
        yield found


@pytest.fixture(scope="module")
def made(studio: Studio) -> dict[str, str]:
    """The tracks of the order through Ray Jobs, with a SoundFont that the driver's host alone has."""
    written = studio.generate("jobs", "by-path", "--recipe", str(studio.user / "recipe.toml"))
    assert "2 tracks made, 0 were there, 0 failed" in written
    return contents("by-path")


def test_a_soundfont_of_the_drivers_host_is_sent(studio: Studio, made: dict[str, str]) -> None:
    records = list_tracks(f"{BUCKET}/by-path", verify=True)
    assert sorted(record.name for record in records) == ["loop", "primed"]
    assert {str(record.soundfont) for record in records} == {str({"name": "mine", "sha256": studio.sha256})}
    assert all(record.order["primer"] in ("", "theme.mid") for record in records)
    assert studio.sha256 in [sha256 for node in studio.hosts.workers for sha256 in studio.cached(node)]


def test_a_soundfont_in_a_bucket_is_fetched_by_each_host(studio: Studio, made: dict[str, str]) -> None:
    studio.forget()
    written = studio.generate("jobs", "by-uri", "--set", f"soundfont={BUCKET}/fonts/mine.sf2")
    assert "2 tracks made, 0 were there, 0 failed" in written
    assert contents("by-uri") == made
    assert studio.hosts.head is not None
    assert [studio.cached(node) for node in (studio.hosts.head, *studio.hosts.workers)].count([studio.sha256]) >= 2


def test_files_of_a_rayjob_are_on_the_head_alone_and_that_is_enough(
    studio: Studio,
    made: dict[str, str],
    kube_server: KubeServer,  # noqa: F811
    kubeconfig: Path,  # noqa: F811
) -> None:
    studio.forget()
    name = studio.generate(
        "kubernetes", "by-manifest", "--no-follow", "--recipe", str(studio.user / "recipe.toml")
    ).split()[-1]
    spec = kube_server.find("RayJob", name)["spec"]
    head, cluster = studio.hosts.head, spec["rayClusterSpec"]
    assert head is not None
    studio.run(head, "sh", "-c", 'cp -a /etc "$0" && mount --bind "$0" /etc', str(studio.cache.parent / "home" / "etc"))
    placed = lay_out(studio, head, cluster["headGroupSpec"]["template"], kube_server)
    assert sorted(path.rpartition("/files/")[2] for path in placed) == [
        "order/cues.csv", "order/theme.mid", "recipe/recipe.toml"
    ]  # fmt: skip
    for group, node in zip(cluster["workerGroupSpecs"], studio.hosts.workers, strict=False):
        assert lay_out(studio, node, group["template"], kube_server) == []
    variables = yaml.safe_load(spec.get("runtimeEnvYAML") or "{}").get("env_vars", {})
    settings = [f"{key}={value}" for key, value in variables.items()]
    written = studio.run(head, "env", *settings, "sh", "-c", spec["entrypoint"])
    assert "2 tracks made, 0 were there, 0 failed" in written
    assert contents("by-manifest") == made


def lay_out(studio: Studio, node: RayNode, pod: Object, server: KubeServer) -> list[str]:
    """Makes the files on a host that a pod template mounts for Ray from ConfigMaps; gives their paths."""
    placed = []
    volumes = {
        volume["name"]: volume["configMap"] for volume in pod["spec"].get("volumes", []) if "configMap" in volume
    }
    for mount in pod["spec"]["containers"][0].get("volumeMounts", []):
        if mount["name"] in volumes:
            source = volumes[mount["name"]]
            stored = server.find("ConfigMap", source["name"])["binaryData"]
            for item in source["items"]:
                placed.append(f"{mount['mountPath']}/{item['path']}")
                studio.put(node, placed[-1], base64.b64decode(stored[item["key"]]))
            lock = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'
            studio.run(node, "sh", "-c", lock if mount.get("readOnly") else "true", mount["mountPath"])
    return placed


def contents(catalogue: str) -> dict[str, str]:
    """sha256 of every file of every track of a catalogue."""
    tracks = f"{BUCKET}/{catalogue}/tracks"
    return {
        file.path: hashlib.sha256(storage.read_bytes(storage.join(tracks, file.path))).hexdigest()
        for file in storage.list_files(tracks)
    }
