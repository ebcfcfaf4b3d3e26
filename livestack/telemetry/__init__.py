"""Telemetry: what the node says about itself. It never interferes: no call from here blocks or raises into trading."""
