"""livestack: a deterministic trading kernel, operational against real venues."""

__version__ = "0.1.0"
