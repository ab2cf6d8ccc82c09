"""The rows of the table, each in its own module, in the order of the table."""

from . import (
    another_client,
    async_calls,
    beside_botocore,
    check_in_memory,
    check_in_redis,
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
    check_in_memory.ROW,
    check_in_redis.ROW,
)
