"""Unusual processes: daemons, processes that can't start threads, processes at exit, and subinterpreters."""

from __future__ import annotations

import json
import ssl
import sys
from typing import TYPE_CHECKING

import pytest
import trustme

from ..transports.scripted import ScriptedServer
from .play import RecordingServer, needs_fork, play

if TYPE_CHECKING:
    from pathlib import Path

    from ..transports.scripted import Peer

pytestmark = pytest.mark.slow

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amzn-RequestId: %b\r\n\r\n{}"


def signs_out(peer: Peer) -> None:
    """Answers each request with the username as the request's ID."""
    while request := peer.read_request():
        peer.sock.sendall(ANSWER % username_in(request).encode())


def username_in(request: bytes) -> str:
    """The username in a request."""
    return str(json.loads(request.partition(b"\r\n\r\n")[2])["Username"])


# Daemons

#: Six clients, and functions that give them idle connections and turn a process into a daemon.
DAEMON = """
from botocore.config import Config

plain, secure = {'endpoint_url': url}, {'endpoint_url': tls_url, 'verify': bundle}
proxied = {'endpoint_url': 'http://service.example', 'config': Config(proxies={'http': url})}
blocking = [SignOutClient(**each) for each in (plain, secure, proxied)]
asynchronous = [AsyncSignOutClient(**each) for each in (plain, secure, proxied)]
loop = None

def call_each(run):
    for client in blocking: call(client)
    for client in asynchronous: run(acall(client))

def warm_up():
    global loop
    loop = asyncio.new_event_loop()
    call_each(loop.run_until_complete)

def descriptors():
    return [int(number) for number in os.listdir('/proc/self/fd')]

def become_daemon(open_file):
    '''Closes all descriptors, and opens files until they have reused all the closed numbers.'''
    last = max(descriptors())
    os.closerange(3, last + 1)
    files = [open_file(number) for number in range(3, last + 9)]
    return files

def close():
    for client in blocking: client.close()
    if loop is None: return
    for client in asynchronous: loop.run_until_complete(client.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the authority's certificate."""
    path: Path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """The TLS context of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@needs_fork
@pytest.mark.parametrize("is_dropped", [True, False])
def test_clients_work_after_a_daemon_has_closed_all_descriptors(
    is_dropped: bool, bundle: str, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """A client closes other files of a daemon, or the parent's connections."""
    code = """
def work():
    files = become_daemon(lambda number: os.open(f'{folder}/{number}', os.O_CREAT | os.O_WRONLY))
    if is_dropped:
        blocking[:], asynchronous[:] = [], []
    else:
        call_each(asyncio.run)
        call_each(asyncio.run)
    gc.collect()
    for file in files:
        os.write(file, b'whole')
        os.fstat(file)
        os.close(file)
    assert all(os.path.getsize(f'{folder}/{name}') == 5 for name in os.listdir(folder))

warm_up()
wait_for([fork(work)])
call_each(loop.run_until_complete)
close()
print('done')
"""
    with (
        ScriptedServer([signs_out]) as server,
        ScriptedServer([signs_out], context=server_context) as tls_server,
    ):
        played = play(
            DAEMON + code,
            url=server.url,
            tls_url=tls_server.url,
            bundle=bundle,
            folder=str(tmp_path),
            is_dropped=is_dropped,
        )
    assert played == "done"
    for each, clients in (server, 4), (tls_server, 2):
        connections = [[username_in(request).partition("-")[0] for request in peer.requests] for peer in each.peers]
        parent = connections[0][0]
        assert connections[:clients] == [[parent, parent]] * clients
        assert all(len(set(pids)) == 1 and parent not in pids for pids in connections[clients:])
        assert bool(connections[clients:]) is not is_dropped


@needs_fork
def test_a_client_does_not_close_the_log_files_of_a_daemon(
    bundle: str, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """The end of a daemon's log is lost because a client closes the file first."""
    code = """
import socket

def is_connection(number):
    if not os.path.exists(f'/proc/self/fd/{number}') or 'socket:' not in os.readlink(f'/proc/self/fd/{number}'):
        return False
    with socket.socket(fileno=os.dup(number)) as sock:
        return sock.family != socket.AF_UNIX

for client in blocking: call(client)
connections = sorted(filter(is_connection, descriptors()))
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    become_daemon(lambda number: os.open(os.devnull, os.O_RDWR))
    logs = []
    for number in connections:
        os.close(number)
        logs.append(logging.FileHandler(f'{folder}/{number}'))
        assert logs[-1].stream.fileno() == number
        logs[-1].stream.write('whole')  # logging flushes and closes it when the interpreter ends
    for client in blocking: call(client)
    sys.exit()
wait_for([pid])
for client in blocking: call(client)
close()
print(len(connections))
"""
    with (
        ScriptedServer([signs_out]) as server,
        ScriptedServer([signs_out], context=server_context) as tls_server,
    ):
        played = play(DAEMON + code, url=server.url, tls_url=tls_server.url, bundle=bundle, folder=str(tmp_path))
    assert played == "3"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"] * 3


# No threads

#: Makes calls of every kind and prints the outcomes. Any exception that is not a SignOutError ends the program.
CALLS = """
import warnings
clients = SignOutClient(endpoint_url=url), AsyncSignOutClient(endpoint_url=url)
usernames = ['alice', 'bob', 'carol']

async def one(client):
    return [await client.sign_out(user_pool_id=POOL, username='alice')]

async def many(client):
    return [outcome async for outcome in client.sign_out_many(user_pool_id=POOL, usernames=usernames)]

def call_in_every_way(blocking, asynchronous):
    for count, work in (
        (1, lambda: [blocking.sign_out(user_pool_id=POOL, username='alice')]),
        (3, lambda: list(blocking.sign_out_many(user_pool_id=POOL, usernames=usernames))),
        (1, lambda: asyncio.run(one(asynchronous))),
        (3, lambda: asyncio.run(many(asynchronous))),
    ):
        try:
            outcomes = work()
        except SignOutError as error:
            outcomes = [error]
        else:
            assert sorted(outcome.username for outcome in outcomes) == usernames[:count]
        print(*[getattr(outcome, 'code', 'OK') for outcome in outcomes], flush=True)
    blocking.close()
"""
#: Code that makes the process unable to start threads.
NO_THREADS = {
    "patched": """
def refuse(thread): raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
""",
    "limited": """
import resource
call_in_every_way(SignOutClient(endpoint_url=url), AsyncSignOutClient(endpoint_url=url))  # imports everything
if os.getuid() == 0: os.setuid(65534)  # the limit does not apply to root
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try: threading.Thread(target=print).start()
except RuntimeError: pass
else: raise AssertionError
print('limited', flush=True)
""",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("kind", NO_THREADS)
def test_without_threads_a_call_ends_in_a_result_or_a_typed_error(kind: str, host: str) -> None:
    """``except SignOutError`` does not cover a lack of threads."""
    with RecordingServer() as server:
        played = play(
            CALLS + NO_THREADS[kind] + "call_in_every_way(*clients)",
            is_measured=False,  # an unprivileged user can't write the coverage data
            url=server.url.replace("127.0.0.1", host),
        )
    assert len(played.rpartition("limited")[2].strip().splitlines()) == 4


# Interpreter exit

#: Code that makes a call while the interpreter exits.
ENDS = {
    "atexit": """
import atexit
atexit.register(call_in_every_way, *clients)
""",
    "a thread that outlives the main thread": """
def outlive():
    threading.main_thread().join()
    call_in_every_way(*clients)

threading.Thread(target=outlive).start()
""",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("end", ENDS)
def test_at_interpreter_exit_a_call_ends_in_a_result_or_a_typed_error(end: str, is_warm: bool, host: str) -> None:
    """A program that signs users out at exit prints a traceback."""
    with RecordingServer() as server:
        played = play(
            CALLS + ("call_in_every_way(*clients)\n" if is_warm else "") + ENDS[end],
            url=server.url.replace("127.0.0.1", host),
        )
    assert len(played.splitlines()) == (8 if is_warm else 4)


# Subinterpreters

#: Runs code in an isolated subinterpreter, which has its own GIL and allows no daemon threads and no forks.
SUBINTERPRETER = """
warnings.simplefilter('ignore')
try:
    import _interpreters
    interpreter, run = _interpreters.create('isolated'), _interpreters.exec
except ImportError:
    import _xxsubinterpreters as _interpreters
    interpreter, run = _interpreters.create(isolated=True), _interpreters.run_string

failure = run(interpreter, f'import sys; sys.path[:] = {sys.path!r}; POOL, url = {POOL!r}, {url!r}\\n' + '''
import asyncio, logging
logging.getLogger('asyncio').setLevel(logging.ERROR)  # warnings only mean that the machine is slow
from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError
''' + calls + 'call_in_every_way(*clients)')
assert not failure, failure
sys.stdout.flush()
os._exit(0)  # destroying an interpreter crashes Python 3.12.1
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="isolated subinterpreters need Python 3.12")
def test_in_a_subinterpreter_a_call_ends_in_a_result_or_a_typed_error() -> None:
    """A server with subinterpreters can't handle our errors."""
    with RecordingServer() as server:
        played = play(SUBINTERPRETER, is_measured=False, url=server.url, calls=CALLS)
    assert len(played.splitlines()) == 4
