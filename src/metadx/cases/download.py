"""Downloading a data set's official files into the cache, verified before they are used."""

from __future__ import annotations

import logging
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from metadx.cases.dataset import DataSet
from metadx.errors import UserError

TIMEOUT_SECONDS = 60


def download(data_set: DataSet, folder: Path) -> None:
    """Fetches every official file into `folder`, checks it, and unpacks it if the catalogue says so.

    A file that is there with the right checksum is not fetched again.

    Raises:
        UserError: no network, no room, or a file with another checksum; names the address.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    for file in data_set.files:
        bar = _Bar(file.name) if sys.stderr.isatty() else False
        try:
            pooch.retrieve(
                url=file.url,
                known_hash=file.checksum,
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT_SECONDS, chunk_size=1 << 16),
            )
        except requests.RequestException as why:
            raise UserError(
                f"{data_set.name}: {file.url} cannot be downloaded ({_reason(why)}). Check the network, or "
                f"put {file.name} into {folder} yourself."
            ) from why
        except ValueError as why:
            raise UserError(
                f"{data_set.name}: {file.url} has not the checksum {file.checksum}. It was cut short or changed: "
                "try again, and do not use it."
            ) from why
        except OSError as why:
            raise UserError(f"{data_set.name}: {folder} cannot be written ({why}). Make room there.") from why
    if data_set.unpack:
        _unpack(folder / data_set.files[0].name, data_set.unpack, folder)


def _unpack(archive: Path, inner: str, folder: Path) -> None:
    """Unpacks one folder of a tar archive, wholly or not at all."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            shutil.rmtree(folder / inner, ignore_errors=True)
            (Path(scratch) / inner).rename(folder / inner)
    except (tarfile.TarError, OSError) as why:
        raise UserError(f"{archive}: cannot be unpacked ({why}). Remove it and get it again.") from why


def _reason(why: requests.RequestException) -> str:
    return type(why).__name__ if why.response is None else f"status {why.response.status_code}"


class _Bar:
    """The progress bar that pooch asks for, drawn by rich."""

    def __init__(self, name: str) -> None:
        self.total = 0
        self._progress = Progress(
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(name, total=None)

    def update(self, count: int) -> None:
        self._progress.start()
        self._progress.update(self._task, advance=count, total=self.total or None)

    def reset(self) -> None:
        self._progress.reset(self._task, total=self.total or None)

    def close(self) -> None:
        self._progress.stop()
