"""One call, without I/O: what is sent, what a response means, when to retry."""
