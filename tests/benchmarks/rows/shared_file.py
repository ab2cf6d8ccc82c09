"""The first call on a developer's machine, with keys in a file."""

from ..row import Row

ROW = Row(
    name="shared-file",
    what="the same with a shared credentials file",
    unit="ms",
    contestants=("ours", "boto3", "capo"),
    budget={"boto3": 0.38},
    rounds=25,
    sample=lambda world, contestant, quick: world.seconds(contestant, keys_in="credentials file"),
)
