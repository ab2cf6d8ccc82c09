"""A check whether a token is revoked, with ``MemoryStore``. In boto3's column: PyJWT's verification of the token."""

from ..row import Row

ROW = Row(
    name="check-in-memory",
    what="`is_revoked` with a `MemoryStore`; the other figure is PyJWT's verification of an RS256 token",
    unit="µs",
    contestants=("ours", "pyjwt"),
    budget={},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "check-memory", 200 if quick else 5000),
    extra="redis",
)
