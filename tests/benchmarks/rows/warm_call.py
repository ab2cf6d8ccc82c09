"""A call of a client that has made many calls before."""

from ..row import Row

ROW = Row(
    name="warm-call",
    what="CPU for a blocking call, warm",
    unit="µs",
    contestants=("ours", "boto3", "capo", "floor"),
    budget={"boto3": 0.32, "capo": 0.42},
    rounds=9,
    sample=lambda world, contestant, quick: world.reported(contestant, "warm", 100 if quick else 2000),
)
