# SPDX-License-Identifier: GPL-2.0-or-later
"""Development hosts as namespaces. See docs/decisions/0101-lab-hosts.md."""

from .lab import Lab
from .record import LabError

__all__ = ["Lab", "LabError"]
