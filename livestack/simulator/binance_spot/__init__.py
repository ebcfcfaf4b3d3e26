"""The simulated venue's Binance Spot front end: a pure state machine, requests and frames in, answers and frames out."""
