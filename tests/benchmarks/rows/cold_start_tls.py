"""The first call over TLS, as in production."""

from ..row import Row

ROW = Row(
    name="cold-start-tls",
    what="cold start over TLS, with the default CA bundle loaded",
    unit="ms",
    contestants=("ours", "boto3"),
    budget={},
    rounds=25,
    sample=lambda world, contestant, quick: world.seconds(contestant, over_tls=True),
)
