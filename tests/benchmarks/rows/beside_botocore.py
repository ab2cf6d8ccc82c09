"""A client in a program that also uses boto3, so the library uses botocore's session and events."""

from ..row import Row

ROW = Row(
    name="beside-botocore",
    what="the same where something else has imported botocore",
    unit="ms",
    contestants=("ours", "boto3"),
    budget={"boto3": 0.30},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "with-botocore", 2 if quick else 5),
)
