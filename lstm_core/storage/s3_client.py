"""The client of boto3 that s3_storage.py works with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.utils import parse_timestamp

from lstm_core.foundation.errors import UnreachableError
from lstm_core.storage.s3_errors import Request, explained

MAX_CONNECTIONS = 32  # kept open between requests; more threads than that may send requests, and each opens its own


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Time limits of requests to a store."""

    connect_s: float = 5.0
    read_s: float = 20.0  # without a byte; then the connection counts as stalled and the request is made again
    retry_s: float = 60.0  # from the first attempt, while a store throttles, stalls or breaks off
    unreachable_s: float = 4.0  # ... while nothing answers: most likely the address is wrong
    lost_s: float = 30.0  # ... while nothing answers that answered before


def open_client(patience: Patience) -> tuple[Any, str]:
    """A client with the credentials, endpoint and region of the environment, and where the first came from.

    Raises:
        CredentialsError: the requested profile does not exist, or cannot be read.
        UnreachableError: the endpoint is no address.
    """
    try:
        session = _session()
        client = session.client("s3", config=_config(patience))
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise explained(error, Request(action="connect to", uri="s3://", endpoint="")) from error
    except ValueError as error:  # boto3 on an address that is none
        raise UnreachableError("AWS_ENDPOINT_URL is no address: it must be like https://host:port") from error
    return client, f"the credentials in use (from {credentials.method})" if credentials is not None else ""


def _session() -> boto3.session.Session:
    """A session whose answers are read without dateutil, which took two thirds of the time of a listing.

    AWS_REGION is for the other AWS programs what AWS_DEFAULT_REGION is for boto3.
    """
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time_of)
    return boto3.session.Session(botocore_session=core, region_name=os.environ.get("AWS_REGION"))


def _time_of(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        parsed: datetime = parse_timestamp(text)
        return parsed


def _config(patience: Patience) -> Config:
    return Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=MAX_CONNECTIONS,
    )
