"""`python -m wherry`: the same as the `wherry` command."""

from __future__ import annotations

from wherry.cli import main

raise SystemExit(main())
