"""The lease of an account: one node at a time trades it (live-stack.md section 9).

``identity`` says which account and who holds it, ``machine`` and ``postgres`` are the two places where a lease is
taken, ``keeper`` sees to it that it is still there, ``session`` is what a node uses.
"""
