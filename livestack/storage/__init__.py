"""Execution Record Storage: records derived from the Event Stream, and the sinks that keep them for others to query."""
