"""The same as ``warm_call`` over TLS, as in production."""

from ..row import Row

ROW = Row(
    name="warm-call-tls",
    what="CPU for a blocking call, warm, over TLS",
    unit="µs",
    contestants=("ours", "boto3"),
    budget={},
    rounds=9,
    sample=lambda world, contestant, quick: world.reported(contestant, "warm", 100 if quick else 2000, over_tls=True),
)
