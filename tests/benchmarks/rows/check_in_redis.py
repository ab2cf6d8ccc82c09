"""The same with a Redis server on loopback."""

from ..row import Row

ROW = Row(
    name="check-in-redis",
    what="`is_revoked` with a Redis server on loopback; the other figure is the same verification",
    unit="µs",
    contestants=("ours", "pyjwt"),
    budget={},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "check-redis", 200 if quick else 5000),
    extra="redis",
    program="redis-server",
)
