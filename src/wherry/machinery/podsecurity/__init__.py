"""Pod Security Standards: which pods a level at a version allows (k8s.io/pod-security-admission).

Pure functions on pods as plain objects; `access/plugins/podsecurity` asks them on writes.

    evaluate(LevelVersion("restricted", (1, 36)), pod["metadata"], pod["spec"]).detail()
"""

from __future__ import annotations

from wherry.machinery.podsecurity.levels import LATEST, LevelVersion, Policy, policy_of
from wherry.machinery.podsecurity.registry import Verdict, evaluate

__all__ = ["LATEST", "LevelVersion", "Policy", "Verdict", "evaluate", "policy_of"]
