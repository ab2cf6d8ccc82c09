"""One client that is shared by threads, forked processes and event loops, and calls that are interrupted."""
