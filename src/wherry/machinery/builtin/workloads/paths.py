"""Small parts of volume validation: relative paths and file modes."""

from __future__ import annotations

from wherry.errors import FieldError, invalid

MODE_TEXT = "must be a number between 0 and 0777 (octal), both inclusive"


def is_mode(mode: int) -> bool:
    return 0 <= mode <= 0o777


def mode_errors(mode: int | None, path: str) -> list[FieldError]:
    return [] if mode is None or is_mode(mode) else [invalid(path, mode, MODE_TEXT)]


def no_backsteps(target: str, path: str) -> list[FieldError]:
    return [invalid(path, target, "must not contain '..'")] if ".." in target.split("/") else []


def local_descending_path(target: str, path: str) -> list[FieldError]:
    errors = [invalid(path, target, "must be a relative path")] if target.startswith("/") else []
    return errors + no_backsteps(target, path)


def local_path(target: str, path: str) -> list[FieldError]:
    """A relative path that does not climb and does not start with two dots, which mark internal names."""
    errors = local_descending_path(target, path)
    if target.startswith("..") and not target.startswith("../"):
        errors.append(invalid(path, target, "must not start with '..'"))
    return errors
