"""Set-up for every test: an empty WHERRY_CORPORA means that there are no recorded answers, like an unset one."""

from __future__ import annotations

import os

if not os.environ.get("WHERRY_CORPORA"):
    os.environ.pop("WHERRY_CORPORA", None)

from hypothesis import HealthCheck, settings

# A busy machine draws slowly; that says nothing about the code.
settings.register_profile("calm", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("calm")
