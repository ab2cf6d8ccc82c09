"""The usernames and secrets of the tests in this folder, the ways to make a call, and a watch that finds leaks."""

from __future__ import annotations

import asyncio
import copy
import io
import logging
import os
import pickle
import re
import sys
import traceback
import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cognito_signout import AsyncSignOutClient, SignOutClient, SignOutError, SignOutResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from cognito_signout import SignOutOutcome

POOL = "us-east-1_Test00001"
#: The user. The letters can change case in a copy, and URLs and JSON escape them.
USERNAME = "Älice+L@Wonderland.example"
ACCESS_KEY = "AKIASECRETIVE0000000"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRETIVE1"
TOKEN = "FwoGZXIvYXdzEJr1KLnE9x+" + "Zq3/Tb7Yc8" * 20 + "=="
PASSWORD = "pr0xy-passw0rd"
#: The password as a proxy gets it.
BASIC = b64encode(f"user:{PASSWORD}".encode()).decode().rstrip("=")

#: Texts that must not appear anywhere, in lower case. Long secrets are represented by parts.
SECRETS = tuple(
    secret.lower()
    for secret in (
        USERNAME,
        "wonderland.example",
        SECRET_KEY[:20],
        SECRET_KEY[20:],
        TOKEN[:23],
        "Zq3/Tb7Yc8" * 2,
        "Zq3_Tb7Yc8" * 2,
        PASSWORD,
        BASIC,
    )
)
#: How a response may spell a username.
SPELLINGS: tuple[str, ...] = (
    USERNAME,
    USERNAME.lower(),
    USERNAME.upper(),
    quote(USERNAME),
    quote(USERNAME, safe=""),
    quote(USERNAME, safe="").lower(),
    USERNAME.encode("unicode_escape").decode().replace("\\x", "\\u00"),
)


SIGNATURE = "signature=[0-9a-f]+"


def found(text: str) -> list[str]:
    """The secrets and signatures in a text."""
    text = text.lower()
    unwrapped = "".join(text.split())
    return [secret for secret in SECRETS if secret in text or secret in unwrapped] + re.findall(SIGNATURE, text)


class Watch:
    """Records logs of all levels and warnings in a ``with`` block. Fails at its end if they contain a secret.

    Attributes:
        texts: The logs and warnings.
        acts: The files that were opened for writing, and the processes that were started.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.acts: list[str] = []

    def __enter__(self) -> Self:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(logging.Formatter("%(name)s %(pathname)s %(message)s"))
        self._root = logging.getLogger()
        self._levels = {logger: logger.level for logger in (self._root, *_loggers())}
        for logger in self._levels:
            logger.setLevel(1)
        self._root.addHandler(self._handler)
        self._warnings = warnings.catch_warnings(record=True)
        self._warned = self._warnings.__enter__() or []
        warnings.simplefilter("always")
        _watches.append(self)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        _watches.remove(self)
        self._warnings.__exit__(None, None, None)
        self._root.removeHandler(self._handler)
        for logger, level in self._levels.items():
            logger.setLevel(level)
        self.texts += [self._stream.getvalue(), *(str(warning.message) for warning in self._warned)]
        if exc_type is None:
            assert not found("\n".join(self.texts))
            assert not self.acts


def _loggers() -> list[logging.Logger]:
    return [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]


_watches: list[Watch] = []
_STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork")
_WRITING = 0o3  # O_WRONLY or O_RDWR


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watches:
        return
    is_writing = event == "open" and isinstance(arguments[0], str) and arguments[2] & _WRITING
    if event in _STARTS or (is_writing and "__pycache__" not in arguments[0]):  # Python's bytecode cache
        _watches[-1].acts.append(f"{event} {arguments}")


sys.addaudithook(_audit)


def shown_of(outcome: SignOutOutcome) -> str:
    """All texts that a program, a log, a debugger or an error tracker is likely to show of an outcome."""
    texts = []
    for twin in (outcome, copy.copy(outcome), copy.deepcopy(outcome), pickle.loads(pickle.dumps(outcome))):
        texts += [str(twin), repr(twin), f"{twin}", f"{[twin]} { ({'outcome': twin}) }"]
        if isinstance(twin, SignOutError):
            texts += [*map(str, twin.args), *traceback.format_exception(twin)]
            texts += [str(value) for name, value in vars(twin).items() if name not in ("service_message", "username")]
            texts += [f"{twin.code} {twin.to_envelope()}", str(type(twin)(*twin.args))]
    if isinstance(outcome, SignOutError):
        stream = io.StringIO()
        logger = logging.Logger("application")
        logger.addHandler(logging.StreamHandler(stream))
        for error in (outcome, caused(RuntimeError("the application's own"), outcome)):
            logger.error("failed: %s, %r", error, error, exc_info=error)
        texts.append(stream.getvalue())
    return "\n".join(texts)


def local_variables(error: BaseException | None) -> Iterator[str]:
    """What an error tracker shows of the local variables in the traceback, those of the causes included.

    It looks into mappings and sequences, and shows other objects by their ``repr()``. The frames of tests are left out.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if os.path.dirname(__file__) not in frame.f_code.co_filename:
                yield from _texts_of(dict(frame.f_locals))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _texts_of(value: Any, depth: int = 4) -> Iterator[str]:
    if isinstance(value, (str, bytes)) or not depth:
        yield repr(value)
    elif isinstance(value, Mapping):
        yield from _texts_of([*value, *value.values()], depth - 1)
    elif isinstance(value, (Sequence, AbstractSet)):
        for item in value:
            yield from _texts_of(item, depth - 1)
    else:
        yield repr(value)


def caused(error: Exception, cause: Exception) -> Exception:
    """The error, as if it had been raised from the other one."""
    error.__cause__ = cause
    return error


class Way:
    """A way to make a call: with either client, for one user or for many.

    Args:
        is_async: Whether to use the async client.
        is_many: Whether to use ``sign_out_many``.
    """

    def __init__(self, *, is_async: bool, is_many: bool) -> None:
        self.is_async = is_async
        self.is_many = is_many

    def __repr__(self) -> str:
        return f"{'async' if self.is_async else 'blocking'}, {'many' if self.is_many else 'one'}"

    def call(self, *, username: Any = USERNAME, user_pool_id: Any = POOL, **arguments: Any) -> SignOutOutcome:
        """Makes a call with a client with these arguments. Returns its outcome. A ``transport`` is a function."""
        transport = arguments.pop("transport", None)
        call: dict[str, Any] = {"user_pool_id": user_pool_id}
        try:
            if self.is_async:
                if transport is not None:
                    arguments["transport"] = AsyncStub(transport)
                return asyncio.run(self._call(username, call, **arguments))
            if transport is not None:
                arguments["transport"] = Stub(transport)
            with SignOutClient(**arguments) as client:
                shown = f"{client!r} {client}"
                assert not found(shown)
                if not self.is_many:
                    return client.sign_out(username=username, **call)
                with closing(client.sign_out_many(usernames=[username], **call)) as outcomes:
                    return next(outcomes)
        except SignOutError as error:
            return error

    async def _call(self, username: Any, call: dict[str, Any], **arguments: Any) -> SignOutResult | SignOutError:
        async with AsyncSignOutClient(**arguments) as client:
            assert not found(f"{client!r} {client}")
            if not self.is_many:
                return await client.sign_out(username=username, **call)
            async with aclosing(client.sign_out_many(usernames=[username], **call)) as outcomes:
                return await anext(outcomes)


class Stub:
    """A transport that calls a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def send(self, request: Any, *, timeout: float | None) -> Any:
        """Calls the function."""
        return self._function(request)

    def close(self) -> None:
        """Does nothing."""


class AsyncStub:
    """The same, for the async client."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    async def send(self, request: Any, *, timeout: float | None) -> Any:
        """Calls the function."""
        return self._function(request)

    async def close(self) -> None:
        """Does nothing."""


WAYS = [Way(is_async=is_async, is_many=is_many) for is_async in (False, True) for is_many in (False, True)]
