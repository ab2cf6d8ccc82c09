"""Programs without a botocore folder on disk: frozen by PyInstaller, or with botocore in a zip file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
POOL = "us-east-1_Test00001"
#: How long, in seconds, a build or a program may take.
PATIENCE = 300


# PyInstaller

FROZEN_PROGRAM = """
import asyncio, sys
from cognito_signout import AsyncSignOutClient, SignOutClient

user = {'user_pool_id': sys.argv[1], 'username': 'alice'}
settings = {'profile_name': sys.argv[2] if len(sys.argv) > 2 else None}

async def main():
    async with AsyncSignOutClient(**settings) as client:
        await client.sign_out(**user)

with SignOutClient(**settings) as client:
    client.sign_out(**user)
asyncio.run(main())
print('botocore.session' in sys.modules)
"""


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the program, frozen without any list of its imports."""
    pytest.importorskip("PyInstaller")
    folder = tmp_path_factory.mktemp("frozen")
    program = folder / "program.py"
    program.write_text(FROZEN_PROGRAM)
    places = [f"--{kind}path={folder / kind}" for kind in ("dist", "work", "spec")]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--onedir", "--noconfirm", f"--paths={ROOT}", *places, str(program)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return str(folder / "dist" / "program" / "program")


@pytest.fixture
def server() -> Iterator[FakeCognitoServer]:
    """The fake, with a user."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=POOL, username="alice")
    with FakeCognitoServer(fake) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("has_profile", [True, False])
def test_a_frozen_program_finds_botocore(
    has_profile: bool, frozen: str, server: FakeCognitoServer, tmp_path: Path
) -> None:
    """Users of PyInstaller have to list the modules that we import."""
    keys = f"aws_access_key_id = {server.fake.access_key}\naws_secret_access_key = {server.fake.secret_key}\n"
    config = tmp_path / "config"
    config.write_text(f"[profile work]\nregion = us-east-1\n{keys}")
    done = subprocess.run(
        [frozen, POOL, *(["work"] if has_profile else [])],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), **server.environment, **({"AWS_CONFIG_FILE": str(config)} if has_profile else {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{has_profile}\n", "")
    server.fake.assert_signed_out(user_pool_id=POOL, username="alice", times=2)


# botocore without its data

#: Prints the URL of a call, or the code of its error.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from cognito_signout import SignOutClient, SignOutError
from cognito_signout.transports import HttpResponse

class Telling:
    def send(self, request, *, timeout):
        print(request.url)
        return HttpResponse(200, {'x-amzn-RequestId': '1', 'content-length': '2'}, b'{}')

    def close(self): pass

try: SignOutClient(transport=Telling()).sign_out(user_pool_id='us-east-1_Test00001', username='alice')
except SignOutError as error: print(error.code)
print(getattr(sys.modules.get('botocore.session'), '__file__', None))
"""
#: Endpoint data from an attacker who can write to the working directory.
FOREIGN_PARTITIONS = {
    "partitions": [
        {
            "id": "aws",
            "regionRegex": "^us-.*$",
            "regions": {},
            "outputs": {
                "dnsSuffix": "foreign.example",
                "dualStackDnsSuffix": "foreign.example",
                "implicitGlobalRegion": "us-east-1",
                "name": "aws",
                "supportsDualStack": True,
                "supportsFIPS": True,
            },
        }
    ]
}


def data_of_botocore() -> Path:
    """The path of botocore's data folder."""
    spec = find_spec("botocore")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture
def working_directory(tmp_path: Path) -> Path:
    """A working directory with botocore data under every relative path that botocore could look up."""
    for place in (".", "data", "botocore/data"):
        folder = tmp_path / "work" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "partitions.json").write_text(json.dumps(FOREIGN_PARTITIONS))
        for name in ("cognito-idp", "endpoints.json", "sdk-default-configuration.json"):
            (folder / name).symlink_to(data_of_botocore() / name)
    return tmp_path / "work"


def pack(botocore: Path, place: Path) -> None:
    """Packs botocore's modules and its partition data into a zip file."""
    with zipfile.ZipFile(place, "w") as file:
        for path in [*botocore.rglob("*.py"), botocore / "data" / "partitions.json"]:
            file.write(path, path.relative_to(botocore.parent))


def copy(botocore: Path, place: Path) -> None:
    """Copies botocore without its data."""
    shutil.copytree(botocore, place / "botocore", ignore=shutil.ignore_patterns("data", "__pycache__"))


@pytest.mark.parametrize("is_relative", [True, False])
@pytest.mark.parametrize("put", [pack, copy])
def test_botocore_data_is_never_read_from_the_working_directory(
    put: Callable[[Path, Path], None], is_relative: bool, working_directory: Path
) -> None:
    """Files in the working directory can redirect our requests."""
    place = working_directory / "site"
    put(data_of_botocore().parent, place)
    outcome, module = run(working_directory, place.name if is_relative else str(place))
    assert (outcome, Path(working_directory, module).is_relative_to(place)) == ("CONFIGURATION_ERROR", True)


def test_botocore_in_a_zip_file_works_with_data_elsewhere(working_directory: Path) -> None:
    """Programs in a zip file can't use ``AWS_DATA_PATH``, as they can with boto3."""
    place = working_directory / "site.zip"
    pack(data_of_botocore().parent, place)
    outcome, module = run(working_directory, str(place), AWS_DATA_PATH=str(data_of_botocore()))
    assert (outcome, module.startswith(str(place))) == ("https://cognito-idp.us-east-1.amazonaws.com/", True)


def run(folder: Path, place: str, **variables: str) -> list[str]:
    """Runs the program in a folder, with modules from ``place``. Returns the lines that it prints."""
    program = folder.parent / "program.py"  # Python looks for modules in its folder, not in the working directory
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), place],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
