"""The most bfloat16 products a card can do, from its maker's data sheet. Pure."""

from __future__ import annotations

import re

#: TFLOP/s of dense bfloat16 products with float32 sums; data sheets that give the figure with
#: sparsity are halved. The first pattern that the device's name contains counts.
PEAK_TFLOPS = (
    (r"B200", 2250.0),
    (r"H200 NVL", 835.5),
    (r"GH200|H200", 989.4),
    (r"H100 NVL", 835.5),
    (r"H100 PCIe", 756.5),
    (r"H100", 989.4),
    (r"A100", 312.0),
    (r"L40S", 362.05),
    (r"L40\b", 181.05),
    (r"L4\b", 121.0),
    (r"A10\b", 125.0),
    (r"RTX A6000", 154.8),
    (r"RTX 4090\b", 165.2),
    (r"RTX 3090\b", 71.0),
)


def peak_flops(device_name: str) -> float | None:
    """FLOP/s; None for a card that the table does not have."""
    for pattern, tera in PEAK_TFLOPS:
        if re.search(pattern, device_name):
            return tera * 1e12
    return None
