"""What a service on asyncio gets done. In boto3's place: aiobotocore; the floor: aiohttp and nothing else."""

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
