"""Many users: pacing, progress, threads, tasks."""
