"""A new client for each task or tenant, in a process that has made calls before."""

from ..row import Row

ROW = Row(
    name="another-client",
    what="a client and its first call, packages already imported; boto3's from a new `Session`",
    unit="ms",
    contestants=("ours", "boto3", "capo", "floor"),
    budget={"boto3": 0.20},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "another", 2 if quick else 5),
)
