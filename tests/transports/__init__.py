"""What carries requests to the service: the seam, and the blocking transport."""
