"""A fake that is active: every client in the process talks to it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .._substitution import substituted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from .._async_runtime import AsyncRuntime
    from .._options import Options
    from ._runtime import FakeRuntime

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


class Activation(Generic[T]):
    """A fake that is active: within ``with``, or for each call of a decorated function, async ones too."""

    def __init__(self, fake: T, runtime_of: Callable[[object, Options], FakeRuntime]) -> None:
        self._fake = fake
        self._runtime_of = runtime_of
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> T:
        context = self._substituted()
        context.__enter__()
        self._entered.append(context)
        return self._fake

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(exc_type, exc, traceback)

    def __call__(self, function: F) -> F:
        """Decorates a function.

        Raises:
            TypeError: It is a class or a generator function, which would leave the fake before they do their work.
        """
        if isinstance(function, type) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("activate() decorates functions; within a class or a generator, use it by `with`")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with self._substituted():
                    return await function(*args, **kwargs)

            return cast("F", call_async)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._substituted():
                return function(*args, **kwargs)

        return cast("F", call)

    def _substituted(self) -> AbstractContextManager[None]:
        def asynchronous(client: object, options: Options) -> AsyncRuntime:
            from ._async_runtime import FakeAsyncRuntime

            return FakeAsyncRuntime(self._runtime_of(client, options))

        return substituted(self._runtime_of, asynchronous)
