"""The command line. Names, JSON keys and exit codes stay stable: operational tooling depends on them."""
