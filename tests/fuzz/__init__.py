"""Properties that hold for any input, tested in two ways.

:mod:`.oracles` has a function for each part that reads external input. It takes an input, and fails with an
``AssertionError`` or with any untyped exception of the part. The tests call these functions with hypothesis's examples
in every run. For longer runs by hand, guided by coverage, each module has a target for atheris::

    pip install atheris
    python -m tests.fuzz.protocol -runs=500000
    python -m tests.fuzz.flow -runs=500000
    python -m tests.fuzz.journal -runs=500000

Run them at the top level of the repository. Other arguments are passed to libFuzzer (``-max_total_time=600``,
``-seed=1``, a folder for a corpus). If an input fails, atheris prints it and writes it to a file ``crash-…``, with
which the target can be run again. Add such an input to the test of that part as an ``@example``.
"""
