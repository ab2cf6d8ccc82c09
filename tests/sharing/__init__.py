"""One client, and many who use it: threads, forked processes, event loops, and whoever interrupts them."""
