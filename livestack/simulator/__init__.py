"""The simulated venue: matching, accounts and markets (pure), a front end per protocol (pure), and its server (I/O).

It never imports a venue adapter's messages or requests: two ends that share code share their bugs.
"""
