"""The iterators that ``sign_out_many`` returns."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import TracebackType

    from typing_extensions import Self

    from ..models import SignOutOutcome
    from .threads import Run

_NEVER_ITERATED = "the outcomes of sign_out_many() were never iterated, so no user was signed out"


class SignOutOutcomes:
    """An iterator over the outcomes of :meth:`SignOutClient.sign_out_many`: a :class:`SignOutResult` or a
    :class:`SignOutError` for each username.

    Nothing is sent before the first outcome is requested. To stop early, close it, or use it with ``with``. It emits a
    ``RuntimeWarning`` if it is dropped without having been iterated.
    """

    def __init__(self, outcomes: Generator[SignOutOutcome, None, None], run: Run) -> None:
        self._outcomes = outcomes
        self._run = run
        self._is_expected = True  # to be iterated

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SignOutOutcome:
        self._is_expected = False
        try:
            return next(self._outcomes)
        except BaseException:
            self._run.join()
            raise

    def close(self) -> None:
        """Stops the work and waits for the requests in flight. A user whose outcome was not yielded may be signed out
        or not.
        """
        self._is_expected = False
        self._outcomes.close()
        self._run.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self._warn()
        self.close()

    def __del__(self) -> None:
        self._warn()

    def _warn(self) -> None:
        if self._is_expected:
            self._is_expected = False
            warnings.warn(_NEVER_ITERATED, RuntimeWarning, stacklevel=3, source=self)


class AsyncSignOutOutcomes:
    """An async iterator over the outcomes of :meth:`AsyncSignOutClient.sign_out_many`.

    It is :class:`SignOutOutcomes` with ``async for``, ``async with`` and :meth:`aclose`.
    """

    def __init__(self, outcomes: AsyncGenerator[SignOutOutcome, None]) -> None:
        self._outcomes = outcomes
        self._is_expected = True  # to be iterated

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SignOutOutcome:
        self._is_expected = False
        return await anext(self._outcomes)

    async def aclose(self) -> None:
        """Cancels the requests in flight. A user whose outcome was not yielded may be signed out or not."""
        self._is_expected = False
        await self._outcomes.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self._warn()
        await self.aclose()

    def __del__(self) -> None:
        self._warn()

    def _warn(self) -> None:
        if self._is_expected:
            self._is_expected = False
            warnings.warn(_NEVER_ITERATED, RuntimeWarning, stacklevel=3, source=self)
