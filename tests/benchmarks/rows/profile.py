"""The first call with a profile or a role, for which the library uses botocore's session."""

from ..row import Row

ROW = Row(
    name="profile",
    what="the same where botocore's session decides: a profile with a region",
    unit="ms",
    contestants=("ours", "boto3"),
    budget={"boto3": 0.75},
    rounds=25,
    sample=lambda world, contestant, quick: world.seconds(contestant, keys_in="profile"),
)
