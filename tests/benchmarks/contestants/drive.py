"""Runs one contestant in this process: ``drive.py CONTESTANT MODE ENDPOINT_URL COUNT``.

It imports almost nothing, because its imports count as the contestant's. In most modes it prints the seconds of one
repetition; in the modes ``memory`` and ``growth``, it prints bytes.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The number of concurrent calls.
AT_ONCE = 16


def peak_memory() -> int:
    """The peak memory of this process, in bytes."""
    try:
        # Not ru_maxrss, because that includes the memory of the parent process before exec.
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_of_each(count: int, work: Any) -> float:
    """The CPU seconds of each repetition, including the kernel's."""
    before = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - before) / count


def once(contestant: Any, endpoint_url: str) -> None:
    """Creates a client and makes one call. The parent process measures the time."""
    contestant.sign_out(contestant.client(endpoint_url))


def memory(contestant: Any, endpoint_url: str) -> int:
    """The peak memory after one call, in bytes."""
    once(contestant, endpoint_url)
    return peak_memory()


def another(contestant: Any, endpoint_url: str, count: int) -> float:
    """The seconds to create a client and make its first call, in a process that has made calls before."""
    once(contestant, endpoint_url)
    before = time.perf_counter()
    for _ in range(count):
        once(contestant, endpoint_url)
    return (time.perf_counter() - before) / count


def with_botocore(contestant: Any, endpoint_url: str, count: int) -> float:
    """The same as ``another``, in a process that has imported botocore."""
    __import__("botocore.session")
    return another(contestant, endpoint_url, count)


def warm(contestant: Any, endpoint_url: str, count: int) -> float:
    """The CPU seconds of each call, after warm-up calls."""
    client = contestant.client(endpoint_url)
    cpu_of_each(max(count // 10, 1), lambda: contestant.sign_out(client))
    return cpu_of_each(count, lambda: contestant.sign_out(client))


async def async_calls(contestant: Any, endpoint_url: str, count: int) -> float:
    """The seconds for each of many concurrent calls with asyncio."""
    asyncio = __import__("asyncio")
    async with contestant.async_client(endpoint_url, AT_ONCE) as client:

        async def calls(count: int) -> None:
            for _ in range(count):
                await contestant.async_sign_out(client)

        async def at_once(count: int) -> float:
            before = time.perf_counter()
            await asyncio.gather(*(calls(count // AT_ONCE) for _ in range(AT_ONCE)))
            return (time.perf_counter() - before) / (count // AT_ONCE * AT_ONCE)

        await at_once(max(count // 10, AT_ONCE))
        return await at_once(count)


def many(contestant: Any, endpoint_url: str, count: int) -> float:
    """The seconds for each of many users."""
    client = contestant.client(endpoint_url, AT_ONCE)
    contestant.sign_out_many(client, usernames(max(count // 10, AT_ONCE)), AT_ONCE)
    before = time.perf_counter()
    contestant.sign_out_many(client, usernames(count), AT_ONCE)
    return (time.perf_counter() - before) / count


def growth(contestant: Any, endpoint_url: str, count: int) -> int:
    """The growth of the peak memory from 1,000 users to ``count`` users, in bytes."""
    client = contestant.client(endpoint_url, AT_ONCE)
    contestant.sign_out_many(client, usernames(1_000), AT_ONCE)
    before = peak_memory()
    contestant.sign_out_many(client, usernames(count), AT_ONCE)
    return peak_memory() - before


def usernames(count: int) -> Iterator[str]:
    """Generates this number of usernames."""
    return (f"user-{number}" for number in range(count))


def sign(contestant: Any, count: int) -> float:
    """The CPU seconds of each signature."""
    cpu_of_each(100, contestant.signer(100))
    return cpu_of_each(count, contestant.signer(count))


def check(contestant: Any, store: str, count: int) -> float:
    """The seconds of each check of a token."""
    with contestant.checker(store) as work:
        for _ in range(count // 10):
            work()
        before = time.perf_counter()
        for _ in range(count):
            work()
        return (time.perf_counter() - before) / count


def main(name: str, mode: str, endpoint_url: str, count: str) -> None:
    """Runs the mode that the command line names."""
    contestant = __import__(name)
    if mode == "once":
        once(contestant, endpoint_url)
    elif mode == "memory":
        print(memory(contestant, endpoint_url))
    elif mode == "another":
        print(another(contestant, endpoint_url, int(count)))
    elif mode == "with-botocore":
        print(with_botocore(contestant, endpoint_url, int(count)))
    elif mode == "warm":
        print(warm(contestant, endpoint_url, int(count)))
    elif mode == "at-once":
        print(__import__("asyncio").run(async_calls(contestant, endpoint_url, int(count))))
    elif mode == "many":
        print(many(contestant, endpoint_url, int(count)))
    elif mode == "growth":
        print(growth(contestant, endpoint_url, int(count)))
    elif mode == "sign":
        print(sign(contestant, int(count)))
    elif mode.startswith("check-"):
        print(check(contestant, mode.partition("-")[2], int(count)))
    else:
        raise SystemExit(f"no such mode: {mode}")


if __name__ == "__main__":
    main(*sys.argv[1:])
