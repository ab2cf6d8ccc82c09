"""One signature, without sending a request. boto3's column shows botocore's ``SigV4Auth``."""

from ..row import Row

ROW = Row(
    name="signature",
    what="CPU for one signature; boto3's is botocore's `SigV4Auth`",
    unit="µs",
    contestants=("ours", "boto3", "floor"),
    budget={"boto3": 0.15},
    rounds=11,
    sample=lambda world, contestant, quick: world.reported(contestant, "sign", 200 if quick else 5000),
)
