"""The whole node in one thread, under a seeded scheduler, on virtual time, against the simulated venue's pure core."""
