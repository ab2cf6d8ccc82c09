"""What a developer's machine with profiles, or a role in a file, waits for: botocore's session decides."""

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
