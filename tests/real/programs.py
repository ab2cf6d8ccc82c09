"""Starts programs of the Linux distribution on free ports of loopback: nginx, squid and tinyproxy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How long, in seconds, a program may take to start or to stop.
PATIENCE = 20.0
USER, PASSWORD = "agent", "open-sesame-0123456789"


def path_of(program: str) -> str:
    """The path of a program; skips the test if it is not installed."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    """A port that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str], *ports: int) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the program. The block starts when it listens on its ports."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            for port in ports:
                while not listens(port):
                    if process.poll() is not None or time.monotonic() > deadline:
                        process.kill()
                        output = process.stdout.read().decode(errors="replace") if process.stdout else ""
                        raise RuntimeError(f"{command[0]} does not listen on port {port}:\n{output}")
                    process.poll()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def listens(port: int) -> bool:
    """Whether something listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def nginx(folder: Path, port: int, certificate: Path, locations: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs nginx with TLS and these locations."""
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(
        f"""
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 2;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 1s;
    gzip on;
    gzip_types *;
    gzip_min_length 0;
    gzip_proxied any;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        {locations}
    }}
}}
""",
        encoding="utf-8",
    )
    with running([path_of("nginx"), "-p", str(folder), "-c", str(config)], port) as process:
        yield process


@contextmanager
def squid(port: int) -> Iterator[None]:
    """Runs squid, which requires a user and a password."""
    program = path_of("squid")
    helper = next((path for path in HELPERS if os.path.exists(path)), None)
    if helper is None:
        pytest.skip("squid's basic_ncsa_auth is not installed")
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True)
    with TemporaryDirectory() as name:  # squid can't read pytest's folders after it drops root
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "passwords").write_text(f"{USER}:{hashed.stdout.strip()}\n", encoding="utf-8")
        config = folder / "squid.conf"
        config.write_text(
            f"""
http_port 127.0.0.1:{port}
pid_filename {folder}/squid.pid
cache deny all
cache_mem 8 MB
access_log none
cache_log {folder}/cache.log
coredump_dir {folder}
shutdown_lifetime 0 seconds
auth_param basic program {helper} {folder}/passwords
auth_param basic children 2
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
""",
            encoding="utf-8",
        )
        with running([program, "-N", "-f", str(config)], port):
            yield


HELPERS = ("/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth", "/usr/libexec/squid/basic_ncsa_auth")


@contextmanager
def tinyproxy(folder: Path, port: int) -> Iterator[None]:
    """Runs tinyproxy, which requires a user and a password, and resets connections."""
    folder.mkdir(exist_ok=True)
    config = folder / "tinyproxy.conf"
    config.write_text(
        f"""
Port {port}
Listen 127.0.0.1
Timeout 60
PidFile "{folder}/tinyproxy.pid"
LogFile "{folder}/tinyproxy.log"
BasicAuth {USER} {PASSWORD}
Allow 127.0.0.1
""",
        encoding="utf-8",
    )
    with running([path_of("tinyproxy"), "-d", "-c", str(config)], port):
        yield
