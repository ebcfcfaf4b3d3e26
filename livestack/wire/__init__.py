"""The public contract of messages: Protocol Buffers generated from ``protos/`` by ``scripts/protos``. Pure."""
