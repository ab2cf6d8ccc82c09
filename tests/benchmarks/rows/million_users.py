"""The memory of a run over a million users. It takes minutes, so there is one round."""

from ..row import Row

ROW = Row(
    name="million-users",
    what="by how much `sign_out_many` over 1,000,000 usernames raises the peak memory after 1,000",
    unit="MiB",
    contestants=("ours",),
    budget={},
    rounds=1,
    sample=lambda world, contestant, quick: world.reported(contestant, "growth", 2_000 if quick else 1_000_000),
    limit=8.0,
)
