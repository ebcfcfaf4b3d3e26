"""Venues, sans I/O: what goes over the wire and what it means. One package per venue; they do not know each other."""
