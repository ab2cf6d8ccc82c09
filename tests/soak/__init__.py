"""A soak: very many calls, through both clients, against a server that often enough does what no server should.

It is run by hand, and takes some ten minutes for a million calls::

    python -m tests.soak --calls 1000000 --seed 7

What it prints, at 1, 10, 25, 50, 75 and 100 %: the calls done, what they came to, what the server did to them, and
what the process holds: memory, descriptors, threads, tasks. It exits with 1 if a call ended in an exception that is
no ``SignOutError``, if a call got another one's answer, or if the process holds more at 100 % than it did at 1 %.
"""
