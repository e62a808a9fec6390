"""A lease: of several programs that would write to one place, one may, until it stops renewing.

It is one small file, made and renewed by conditional writes, so it works wherever storage does. Its age is
measured by the clock of the store, or of this machine for a local file; clocks of two machines are never
compared. A holder that died on this machine is known at once, one elsewhere after its lease expires.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from lstm_core import storage
from lstm_core.foundation.errors import StorageError

LEASE_NAME = ".lease.json"  # hidden: listings pass over it
_RENEWALS = 3  # in the time after which it expires
_log = logging.getLogger(__name__)


class LeaseError(StorageError):
    """Another process holds a lease, or has taken it over."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease: the content of its file."""

    owner: str  # for messages
    machine: str  # host, boot and process namespace; empty where a process cannot be looked up
    process: str  # number and time of start
    nonce: str  # of this taking of it
    expires_after_s: float  # without being renewed
    renewals: int = 0
    is_released: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @staticmethod
    def from_json(data: bytes) -> Holder | None:
        """The holder, or None for a damaged file: it has no holder."""
        with suppress(ValueError, TypeError):
            return Holder(**json.loads(data))
        return None


class Lease:
    """Holds the lease of a folder while it is open, renewing it from a background thread.

    Args:
        folder_uri: What it is for.
        expires_after_s: Without a sign of life.

    Raises:
        LeaseError: on entering, another process holds it.
    """

    def __init__(self, folder_uri: str, *, expires_after_s: float = 30.0) -> None:
        self.uri = storage.join(folder_uri, LEASE_NAME)
        self._folder_uri = folder_uri
        host = socket.gethostname()
        self._holder = Holder(
            owner=f"process {os.getpid()} on {host}",
            machine=_this_machine(host),
            process=_process(os.getpid()),
            nonce=secrets.token_hex(8),
            expires_after_s=expires_after_s,
        )
        self._ended = threading.Event()
        self._lost: LeaseError | None = None
        self._renewed_s = 0.0
        self._lock = threading.Lock()  # a check may have to renew it too
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        watched_etag = ""
        while not storage.create_bytes(self.uri, self._holder.to_json()):
            try:
                found = storage.read_version(self.uri)
            except storage.MissingError:
                continue
            holder = Holder.from_json(found.data)
            if holder is None or holder.is_released or found.age_s > holder.expires_after_s or self._is_dead(holder):
                if storage.replace_bytes(self.uri, self._holder.to_json(), etag=found.etag):
                    break
                continue
            is_here = holder.machine and holder.machine == self._holder.machine
            if is_here or (watched_etag and found.etag != watched_etag):
                raise LeaseError(
                    f"{self._folder_uri} is being written by {holder.owner}, which is alive: end it, or wait for it."
                )
            if not watched_etag:
                _log.info("%s is held by %s; waiting for a sign of life from it", self._folder_uri, holder.owner)
            watched_etag = found.etag
            self._ended.wait(holder.expires_after_s / 10)
        self._renewed_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._lost is None:
            with suppress(StorageError):  # it expires by itself
                self._write(is_released=True)

    @property
    def token(self) -> str:
        """The token by which `check_holder` recognises this lease."""
        return self._holder.nonce

    def check(self) -> None:
        """Raises LeaseError if this process has lost the lease: call it before every exclusive write."""
        if self._lost is None and time.monotonic() - self._renewed_s > self._holder.expires_after_s:
            self._write()  # the store was unreachable for long: it knows whether another process took the lease
        if self._lost is not None:
            raise self._lost

    def _renew(self) -> None:
        while self._lost is None and not self._ended.wait(self._holder.expires_after_s / _RENEWALS):
            try:
                self._write()
            except LeaseError:
                return
            except StorageError as error:  # storage has retried long enough
                _log.warning("the lease of %s could not be renewed: %s", self._folder_uri, error)

    def _write(self, is_released: bool = False) -> None:
        with self._lock:
            found = storage.read_version(self.uri)
            holder = Holder.from_json(found.data)
            if holder is not None and holder.nonce == self._holder.nonce:
                after = Holder(**asdict(holder) | {"renewals": holder.renewals + 1, "is_released": is_released})
                if storage.replace_bytes(self.uri, after.to_json(), etag=found.etag):
                    self._renewed_s = time.monotonic()
                    return
                holder = Holder.from_json(storage.read_bytes(self.uri))
            self._lost = LeaseError(
                f"{self._folder_uri} may no longer be written by this process: "
                f"{holder.owner if holder else 'another process'} has taken it over while this process did not renew "
                "its lease. Run the same command again when that has ended."
            )
            raise self._lost

    def _is_dead(self, holder: Holder) -> bool:
        if not holder.machine or holder.machine != self._holder.machine:
            return False
        return _process(int(holder.process.partition(" ")[0] or 0)) != holder.process


def check_holder(folder_uri: str, token: str) -> None:
    """Raises LeaseError if the lease of a folder is not that of `token`: for processes that write for its holder."""
    with suppress(storage.MissingError):
        holder = Holder.from_json(storage.read_bytes(storage.join(folder_uri, LEASE_NAME)))
        if holder is not None and holder.nonce == token:
            return
        raise LeaseError(
            f"{folder_uri} may no longer be written by this process: "
            f"{holder.owner if holder else 'another process'} has taken it over."
        )
    raise LeaseError(f"{folder_uri} may no longer be written by this process: its lease is gone.")


def _this_machine(host: str) -> str:
    """A name of the space of process numbers, empty where the system does not report it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{host} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _process(number: int) -> str:
    """Number and time of start of a process: numbers are reused. "NUMBER" alone when there is no such process."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return str(number)
    return str(number) if fields[0] in "ZX" else f"{number} {fields[19]}"
