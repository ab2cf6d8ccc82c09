"""What must hold for any input whatever, looked for in two ways.

:mod:`.oracles` has a function for each part that reads what others wrote: it is called with an input, and fails by
``AssertionError``, or by whatever untyped exception the part lets out. The tests call them with hypothesis's examples,
in every run. For longer, by hand and with coverage for a guide, there are targets for atheris, one a module::

    pip install atheris
    python -m tests.fuzz.protocol -runs=500000
    python -m tests.fuzz.flow -runs=500000
    python -m tests.fuzz.journal -runs=500000

from the top level of the repository. Further arguments are libFuzzer's (``-max_total_time=600``, ``-seed=1``,
a folder for a corpus); it prints what it found when an input fails, and writes that to a file named ``crash-…``, with
which the target can be run again. Such an input belongs into the test of that part, as an ``@example``.
"""
