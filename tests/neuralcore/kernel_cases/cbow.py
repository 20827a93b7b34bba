"""Cases of op `cbow`: those of `skipgram`, whose arguments it has."""

from __future__ import annotations

import runpy
from pathlib import Path

_SKIPGRAM = runpy.run_path(str(Path(__file__).with_name("skipgram.py")))
OP = "cbow"
SIZES, TOLERANCE = _SKIPGRAM["SIZES"], _SKIPGRAM["TOLERANCE"]
make_case, outputs = _SKIPGRAM["make_case"], _SKIPGRAM["outputs"]
