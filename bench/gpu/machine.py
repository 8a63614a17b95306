"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "peft", "trl", "vllm")


def describe_machine(device: str) -> dict:
    described = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }
    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
        described |= {"device_gib": round(memory / 2**30, 1), "cuda": torch.version.cuda}
    return described


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit(root: Path) -> str:
    """`+` marks changes on top of it."""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{head}{'+' if changed else ''}" if head else "unknown"


def _git(root: Path, *rest: str) -> str:
    try:
        run = subprocess.run(
            ["git", *rest], cwd=root, capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
