"""The control surface: what operators may ask and order, over ZeroMQ, and what they are shown. No actor, no Core step.

view             what is shown: a picture of State, made on the harness thread, shown once it is durable
replies          a picture as messages
commands         the table of commands: who may give them, what they need
server           sockets, one thread each; authentication, limits, replies given once
authentication   CURVE keys and roles, and a handler that fails closed
keys             files of keys
latch            the kill-switch on disk
client           the other end, for Python programs: every command as a method
exchange         one request and its reply, whatever gets lost between
channel          a client's connection to one socket, and why there is none
"""
