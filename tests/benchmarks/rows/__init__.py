"""The rows of the table, each in a module of its own, in the order in which they are shown."""

from . import another_client, beside_botocore, cold_start, memory, shared_file, signature, warm_call

ROWS = (
    cold_start.ROW,
    shared_file.ROW,
    another_client.ROW,
    beside_botocore.ROW,
    warm_call.ROW,
    memory.ROW,
    signature.ROW,
)
