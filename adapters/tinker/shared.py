"""Puts the trainer's modules on the path: tasks, rows, reports and schedules are the same here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "trainer"))
