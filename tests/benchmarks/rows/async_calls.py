"""Calls with asyncio. boto3's column shows aiobotocore, and the floor's column aiohttp."""

from ..row import RATE, Row

ROW = Row(
    name="async-calls",
    what="async calls a second, 16 at once",
    unit=RATE,
    contestants=("ours", "aiobotocore", "capo", "aiohttp"),
    budget={"aiobotocore": 2.8},
    rounds=9,
    sample=lambda world, contestant, quick: world.reported(contestant, "at-once", 160 if quick else 3200),
    extra="aiohttp",
)
