"""A soak test: many calls through both clients, against a server that often misbehaves.

It is run by hand. A million calls take about ten minutes::

    python -m tests.soak --calls 1000000 --seed 7

At 1, 10, 25, 50, 75 and 100 %, it prints the number of calls, their outcomes, the faults of the server, and the
resources of the process: memory, descriptors, threads and tasks. It exits with 1 if a call raised an exception that is
not a ``SignOutError``, if a call got the response of another one, or if resources grew between 1 % and 100 %.
"""
