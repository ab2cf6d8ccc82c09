"""The rows of the table, each in a module of its own, in the order in which they are shown."""

from . import (
    another_client,
    async_calls,
    beside_botocore,
    cold_start,
    cold_start_tls,
    many_users,
    memory,
    million_users,
    profile,
    shared_file,
    signature,
    warm_call,
    warm_call_tls,
)

ROWS = (
    cold_start.ROW,
    shared_file.ROW,
    profile.ROW,
    cold_start_tls.ROW,
    another_client.ROW,
    beside_botocore.ROW,
    warm_call.ROW,
    warm_call_tls.ROW,
    async_calls.ROW,
    many_users.ROW,
    memory.ROW,
    million_users.ROW,
    signature.ROW,
)
