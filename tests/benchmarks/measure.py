"""Runs the contestants in a controlled environment, in turns."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import trustme
from attrs import frozen

from cognito_signout.transports._tls import default_ca_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeAlias

    from .row import Row

#: Where the contestant finds its keys. Also the names of the home directories.
KeysIn: TypeAlias = Literal["environment", "credentials file", "profile"]

HERE = Path(__file__).parent
ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#: The module of each contestant, and the optional package that it needs.
CONTESTANTS = {
    "ours": ("ours", "cognito_signout"),
    "boto3": ("with_boto3", "boto3"),
    "capo": ("with_capo", "capo_cognito_identity_provider"),
    "aiobotocore": ("with_aiobotocore", "aiobotocore"),
    "floor": ("floor", None),
    "aiohttp": ("with_aiohttp", "aiohttp"),
    "pyjwt": ("with_pyjwt", "jwt"),
}


@frozen
class World:
    """The environment of the contestants. It does not include this machine's AWS configuration.

    Attributes:
        endpoint_url: The URL of the server.
        tls_endpoint_url: The URL of the server with TLS.
        home: The home directory. It is empty or has a shared credentials file.
        cores: The number of cores for contestant and server; 0 if processes can't be pinned to cores.
    """

    endpoint_url: str
    tls_endpoint_url: str
    home: Path
    cores: int = 0

    def environment(self, keys_in: KeysIn = "environment") -> dict[str, str]:
        """The environment variables of a contestant."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "VIRTUAL_ENV") if name in os.environ}
        settings = {
            "environment": {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
            "credentials file": {},
            "profile": {"AWS_PROFILE": "work"},
        }
        return {**kept, **settings[keys_in], "HOME": str(self.home / keys_in), "AWS_EC2_METADATA_DISABLED": "true"}

    def run(
        self, contestant: str, mode: str, count: int = 1, *, keys_in: KeysIn = "environment", over_tls: bool = False
    ) -> tuple[float, str]:
        """Runs a contestant once. Returns the seconds of its process, and its output."""
        script = HERE / "contestants" / "drive.py"
        url = self.tls_endpoint_url if over_tls else self.endpoint_url
        command = [sys.executable, str(script), CONTESTANTS[contestant][0], mode, url, str(count)]
        environment = self.environment(keys_in)
        if over_tls:  # the bundle has the default authorities and the server's
            environment["AWS_CA_BUNDLE"] = str(self.home / "bundle.pem")
        before = time.perf_counter()
        done = subprocess.run(command, env=environment, cwd=self.home, capture_output=True, text=True)
        took = time.perf_counter() - before
        if done.returncode:
            raise RuntimeError(f"{contestant} failed ({mode}):\n{done.stderr}")
        return took, done.stdout

    def seconds(self, contestant: str, *, keys_in: KeysIn = "environment", over_tls: bool = False) -> float:
        """The seconds of a new process that creates a client and makes one call, from start to exit."""
        return self.run(contestant, "once", keys_in=keys_in, over_tls=over_tls)[0]

    def reported(self, contestant: str, mode: str, count: int = 1, *, over_tls: bool = False) -> float:
        """The number that a contestant's process prints."""
        return float(self.run(contestant, mode, count, over_tls=over_tls)[1])


def missing(contestant: str, row: Row | None = None) -> str | None:
    """The package or program that a contestant or a row needs and that is not installed, or ``None``."""
    needed = [CONTESTANTS[contestant][1], row.extra if row is not None and contestant == "ours" else None]
    if row is not None and row.program is not None and shutil.which(row.program) is None:
        return row.program
    return next((package for package in needed if package and importlib.util.find_spec(package) is None), None)


@contextmanager
def world() -> Generator[World]:
    """Runs a server on one core, and moves this process and its children to another."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = sorted(before or ())
    with TemporaryDirectory() as directory:
        home = Path(directory)
        _write_files(home)
        core = str(cores[-1]) if cores else "-"
        with _server(core) as port, _server(core, str(home / "server.pem")) as tls_port:
            try:
                if cores:
                    os.sched_setaffinity(0, cores[:1])
                yield World(f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}", home, len(cores))
            finally:
                if before is not None:
                    os.sched_setaffinity(0, before)


def _write_files(home: Path) -> None:
    """Writes the home directories and the certificates."""
    keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    (home / "environment").mkdir()
    for name, profile in (("credentials file", "default"), ("profile", "work")):
        (home / name / ".aws").mkdir(parents=True)
        (home / name / ".aws" / "credentials").write_text(f"[{profile}]\n{keys}", encoding="utf-8")
    (home / "profile" / ".aws" / "config").write_text("[profile work]\nregion = us-east-1\n", encoding="utf-8")
    authority = trustme.CA()
    default = Path(default_ca_bundle()).read_bytes()
    (home / "bundle.pem").write_bytes(default + authority.cert_pem.bytes())
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(home / "server.pem"))


@contextmanager
def _server(*arguments: str) -> Generator[int]:
    command = [sys.executable, str(HERE / "server.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()


def samples(row: Row, setup: World, *, rounds: int, quick: bool, tick: Callable[[], object]) -> dict[str, list[float]]:
    """Measures a row. Returns the samples by contestant.

    Contestants take turns, so that other load on the machine affects all of them. The first round is short, compiles
    the byte code, and does not count.
    """
    taken: dict[str, list[float]] = {name: [] for name in row.contestants if missing(name, row) is None}
    for number in range(rounds + 1):
        for name, values in taken.items():
            value = row.sample(setup, name, quick or not number)
            if number:
                values.append(value)
            tick()
    return taken
