"""Research: the same Core over recorded Events."""
