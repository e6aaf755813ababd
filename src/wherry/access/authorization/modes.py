"""Authorizers from flags: a list of modes, and what a webhook needs beside (kubeapiserver/options/authorization.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.access.options import AccessOptions, OptionError

if TYPE_CHECKING:
    from wherry.access.authorization.settings import AuthorizerSettings

MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")


def settings_of(options: AccessOptions) -> list[AuthorizerSettings]:
    """Raises OptionError."""
    modes = options.authorization_mode
    for mode in modes:
        if mode not in MODES:
            raise OptionError(f'authorization-mode "{mode}" is not a valid mode; known: {", ".join(MODES)}')
    if len(set(modes)) < len(modes):
        raise OptionError(f"authorization-mode {list(modes)} has mode specified more than once")
    return [_settings(mode, options) for mode in modes]


def _settings(mode: str, options: AccessOptions) -> AuthorizerSettings:
    from wherry.access.authorization.settings import AuthorizerSettings, WebhookSettings

    if mode != "Webhook":
        return AuthorizerSettings(mode, mode.lower())
    webhook = WebhookSettings(
        "default",
        options.authorization_webhook_version,
        30.0,
        options.authorization_webhook_cache_authorized_ttl,
        options.authorization_webhook_cache_unauthorized_ttl,
    )
    return AuthorizerSettings(mode, "default", options.authorization_webhook_config_file, webhook)
