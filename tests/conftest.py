"""Set-up for every test: an empty WHERRY_CORPORA means that there are no recorded answers, like an unset one."""

from __future__ import annotations

import os

if not os.environ.get("WHERRY_CORPORA"):
    os.environ.pop("WHERRY_CORPORA", None)
