"""How far random tests look: TORCHSYNC_LONG=20 lets them try twenty times as many examples, which takes minutes."""

from __future__ import annotations

import os

LONG = int(os.environ.get("TORCHSYNC_LONG", "0") or "0") or 1
