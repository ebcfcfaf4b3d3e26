#!/usr/bin/env python3
"""Shell lines that give a node what etc/demo.toml asks for: addresses and a key of a simulated venue.

livestack venue binance-spot --json > venue.json &
eval "$(scripts/venue_environment.py venue.json)"
"""

import json
import shlex
import sys
import time
from pathlib import Path

deadline = time.monotonic() + 30
venue = None
while venue is None:
    try:
        venue = json.loads(Path(sys.argv[1]).read_text().split("\n")[0])
    except ValueError:  # the venue may be writing its line at this moment
        if time.monotonic() > deadline:
            sys.exit(f"{sys.argv[1]} holds no description of a venue: does it run?")
        time.sleep(0.05)
key = next(key for key in venue["keys"] if key["kind"] == "hmac")
variables = {
    "REST": venue["urls"]["rest"],
    "STREAM": venue["urls"]["stream"],
    "WS_API": venue["urls"]["ws_api"],
    "API_KEY": key["api_key"],
    "SECRET": key["secret"],
}
for name, value in variables.items():
    sys.stdout.write(f"export LIVESTACK_DEMO_{name}={shlex.quote(value)}\n")
