"""The actors: one Pykka thread per capability, talking by mailboxes. A module here is where a thread lives.

No shared mutable state but the dispatch gate and counters; actors do not import each other.
"""
