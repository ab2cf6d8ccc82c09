"""Many users, without a quota. The other contestants use a pool with the same number of threads."""

from ..row import RATE, Row

ROW = Row(
    name="many-users",
    what="`sign_out_many`, users a second, 16 at once; the others in a thread pool of 16",
    unit=RATE,
    contestants=("ours", "boto3", "capo"),
    budget={"boto3": 2.8},
    rounds=9,
    sample=lambda world, contestant, quick: world.reported(contestant, "many", 160 if quick else 4000),
)
