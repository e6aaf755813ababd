"""Validators and small helpers that several kinds of `core` and `policy` share."""
