#!/usr/bin/env python3
"""Writes etc/graphite, etc/grafana and etc/statsd from the catalogue of metrics: scripts/dashboards.py [DIRECTORY].

A test holds the files to it. It imports livestack: run it with .venv's Python.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import grafana
import graphite

ETC = Path(__file__).resolve().parent.parent / "etc"


def laid_out(value: object, depth: int = 0) -> str:
    """JSON with a line for each panel, so that a change of one metric is a change of one line."""
    inside, before = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value and (depth == 0 or "panels" in value):
        members = (f"{json.dumps(key)}: {laid_out(one, depth + 1)}" for key, one in value.items())
        return f"{{{inside}{f',{inside}'.join(members)}{before}}}"
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return f"[{inside}{f',{inside}'.join(laid_out(one, depth + 1) for one in value)}{before}]"
    return json.dumps(value, ensure_ascii=False)


def texts() -> dict[str, str]:
    """What each file has to hold."""
    return {
        "graphite/storage-schemas.conf": graphite.schemas(),
        "graphite/storage-aggregation.conf": graphite.aggregation(),
        "grafana/dashboards/livestack.json": laid_out(grafana.dashboard()) + "\n",
        "statsd/config.js": graphite.statsd(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=ETC)
    arguments = parser.parse_args()
    for name, text in texts().items():
        path = arguments.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
