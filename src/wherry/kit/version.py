"""Which Wherry this is."""

VERSION = "0.1.0"
