"""I/O: clocks, timers, WebSocket and HTTP behind small interfaces, so that the whole node also runs on virtual time."""
