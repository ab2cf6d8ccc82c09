"""The first call of a script, a cron job or a cold Lambda function."""

from ..row import Row

ROW = Row(
    name="cold-start",
    what="cold start: a new process imports, makes a client from environment keys and makes one call",
    unit="ms",
    contestants=("ours", "boto3", "capo", "floor"),
    budget={"boto3": 0.36, "capo": 0.52},
    rounds=25,
    sample=lambda world, contestant, quick: world.seconds(contestant),
)
