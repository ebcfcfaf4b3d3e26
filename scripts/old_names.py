"""Names that Python 3.12 dropped and carbon, the newest of which is older, still asks for.

scripts/venv.sh puts it into the environment of carbon, which imports it at each start, that of carbon's own setup too.
"""

from __future__ import annotations

import configparser
import importlib.util
import sys
import types

if not hasattr(configparser.RawConfigParser, "readfp"):
    configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file  # type: ignore[attr-defined]

if importlib.util.find_spec("imp") is None:
    sys.modules["imp"] = types.ModuleType("imp")  # is imported, and used for a relay's own rules alone
