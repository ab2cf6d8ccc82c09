"""What every backend owes, and the backends."""
