"""Runs one contestant in this process: ``drive.py CONTESTANT MODE ENDPOINT_URL COUNT``.

Imports next to nothing itself, because what it imports is counted as the contestant's. Where there is
something to be timed in here, it prints the seconds for one; in the mode ``memory``, the bytes.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many calls are under way at a time where there are many.
AT_ONCE = 16


def peak_memory() -> int:
    """The most memory that this process ever held, in bytes."""
    try:
        with open("/proc/self/status") as status:  # ru_maxrss counts what the process was before it was this one
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_of_each(count: int, work: Any) -> float:
    """The seconds of CPU, the kernel's on its behalf included, that the work takes each time."""
    before = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - before) / count


def once(contestant: Any, endpoint_url: str) -> None:
    """Makes a client and one call; it is timed from outside."""
    contestant.sign_out(contestant.client(endpoint_url))


def memory(contestant: Any, endpoint_url: str) -> int:
    """What a client and one call have taken."""
    once(contestant, endpoint_url)
    return peak_memory()


def another(contestant: Any, endpoint_url: str, count: int) -> float:
    """The seconds for a client and its first call in a process that has made others before."""
    once(contestant, endpoint_url)
    before = time.perf_counter()
    for _ in range(count):
        once(contestant, endpoint_url)
    return (time.perf_counter() - before) / count


def beside(contestant: Any, endpoint_url: str, count: int) -> float:
    """The same in a process where something else has imported botocore, which then is to be asked."""
    __import__("botocore.session")
    return another(contestant, endpoint_url, count)


def warm(contestant: Any, endpoint_url: str, count: int) -> float:
    """The CPU for each call of a client that has made many."""
    client = contestant.client(endpoint_url)
    cpu_of_each(max(count // 10, 1), lambda: contestant.sign_out(client))
    return cpu_of_each(count, lambda: contestant.sign_out(client))


async def rate_at_once(contestant: Any, endpoint_url: str, count: int) -> float:
    """The seconds for each call of a client on asyncio that has made some before, so many at once."""
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
    """The seconds for each of many users, of a client that has signed out some before."""
    client = contestant.client(endpoint_url, AT_ONCE)
    contestant.sign_out_many(client, usernames(max(count // 10, AT_ONCE)), AT_ONCE)
    before = time.perf_counter()
    contestant.sign_out_many(client, usernames(count), AT_ONCE)
    return (time.perf_counter() - before) / count


def growth(contestant: Any, endpoint_url: str, count: int) -> int:
    """By how much many users raise the peak of the memory, which was that of 1,000 users."""
    client = contestant.client(endpoint_url, AT_ONCE)
    contestant.sign_out_many(client, usernames(1_000), AT_ONCE)
    before = peak_memory()
    contestant.sign_out_many(client, usernames(count), AT_ONCE)
    return peak_memory() - before


def usernames(count: int) -> Iterator[str]:
    """So many, one after the other."""
    return (f"user-{number}" for number in range(count))


def sign(contestant: Any, count: int) -> float:
    """The CPU for each signature."""
    cpu_of_each(100, contestant.signer(100))
    return cpu_of_each(count, contestant.signer(count))


def main(name: str, mode: str, endpoint_url: str, count: str) -> None:
    """Runs it as the command line says."""
    contestant = __import__(name)
    if mode == "once":
        once(contestant, endpoint_url)
    elif mode == "memory":
        print(memory(contestant, endpoint_url))
    elif mode == "another":
        print(another(contestant, endpoint_url, int(count)))
    elif mode == "beside":
        print(beside(contestant, endpoint_url, int(count)))
    elif mode == "warm":
        print(warm(contestant, endpoint_url, int(count)))
    elif mode == "at-once":
        print(__import__("asyncio").run(rate_at_once(contestant, endpoint_url, int(count))))
    elif mode == "many":
        print(many(contestant, endpoint_url, int(count)))
    elif mode == "growth":
        print(growth(contestant, endpoint_url, int(count)))
    elif mode == "sign":
        print(sign(contestant, int(count)))
    else:
        raise SystemExit(f"no such mode: {mode}")


if __name__ == "__main__":
    main(*sys.argv[1:])
