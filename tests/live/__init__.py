"""Whole nodes as real processes, against the simulated venue as a real process, over real sockets."""
