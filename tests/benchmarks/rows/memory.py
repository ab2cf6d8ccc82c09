"""The memory of a process after its first call."""

from ..row import Row

ROW = Row(
    name="memory",
    what="peak memory after the first call",
    unit="MiB",
    contestants=("ours", "boto3", "capo", "floor"),
    budget={"boto3": 0.50},
    rounds=7,
    sample=lambda world, contestant, quick: world.reported(contestant, "memory"),
)
