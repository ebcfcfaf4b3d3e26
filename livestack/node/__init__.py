"""Composition: puts the actors of a node together, starts them in order, and ends them in order."""
