"""The Core Runtime: a deterministic kernel of its own. Pure: no clock, no thread, no I/O; Events in, decisions out."""
