"""What a client costs in a program that uses boto3 too: then botocore's session decides, and its events are heard."""

from ..row import Row

ROW = Row(
    name="beside-botocore",
    what="the same where something else has imported botocore",
    unit="ms",
    contestants=("ours", "boto3"),
    budget={"boto3": 0.30},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "beside", 2 if quick else 5),
)
