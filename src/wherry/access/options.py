"""What can be set about access, each named as the flag of kube-apiserver that sets it.

For `wherry up` these come from flags (`cli/access_flags.py`), for a program from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wherry.access.user import User
from wherry.errors import ConfigurationError


class OptionError(ConfigurationError):
    """Options that contradict each other: says which and why."""


@dataclass(eq=False, repr=False)  # each method that is made costs every start
class AccessOptions:
    """Access and admission of one control plane. `users` are further bearer tokens, beside a file's."""

    users: Mapping[str, User] = field(default_factory=dict)
    token_auth_file: Path | None = None
    anonymous_auth: bool | None = None
    enable_bootstrap_token_auth: bool = False
    authentication_config: Path | None = None

    authentication_token_webhook_config_file: Path | None = None
    authentication_token_webhook_version: str = "v1"
    authentication_token_webhook_cache_ttl: float = 120.0

    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_ca_file: Path | None = None
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_required_claim: Mapping[str, str] = field(default_factory=dict)
    oidc_signing_algs: tuple[str, ...] = ("RS256",)

    client_ca_file: Path | None = None
    requestheader_client_ca_file: Path | None = None
    proxy_client_cert_file: Path | None = None
    proxy_client_key_file: Path | None = None
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("X-Remote-User",)
    requestheader_uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    requestheader_group_headers: tuple[str, ...] = ("X-Remote-Group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)

    service_account_issuer: tuple[str, ...] = ()
    service_account_key_file: tuple[Path, ...] = ()
    service_account_signing_key_file: Path | None = None
    service_account_jwks_uri: str = ""
    service_account_max_token_expiration: float = 0.0
    service_account_extend_token_expiration: bool = True
    api_audiences: tuple[str, ...] = ()

    authorization_mode: tuple[str, ...] = ()
    authorization_config: Path | None = None
    authorization_webhook_config_file: Path | None = None
    authorization_webhook_version: str = "v1"
    authorization_webhook_cache_authorized_ttl: float = 300.0
    authorization_webhook_cache_unauthorized_ttl: float = 30.0

    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: Path | None = None

    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None

    @property
    def anonymous(self) -> bool:
        """Whether strangers are let in: never where everybody may do everything, as upstream resets the flag there."""
        return self.anonymous_auth is not False and "AlwaysAllow" not in self.authorization_mode

    def check(self) -> None:
        """Raises OptionError."""
        if self.authentication_config is not None and (self.oidc_issuer_url or self.oidc_client_id):
            raise OptionError("authentication-config file and oidc-* flags are mutually exclusive")
        if bool(self.oidc_issuer_url) != bool(self.oidc_client_id):
            raise OptionError(
                "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
            )
        if self.authorization_config is not None and (
            self.authorization_mode or self.authorization_webhook_config_file is not None
        ):
            raise OptionError("--authorization-config cannot be used with --authorization-mode or webhook flags")
        if self.authorization_webhook_config_file is not None and "Webhook" not in self.authorization_mode:
            raise OptionError("cannot specify --authorization-webhook-config-file without --authorization-mode=Webhook")
        if "Webhook" in self.authorization_mode and self.authorization_webhook_config_file is None:
            raise OptionError("authorization-mode Webhook's authorization config file not passed")
        if (self.tls_cert_file is None) != (self.tls_private_key_file is None):
            raise OptionError("--tls-cert-file and --tls-private-key-file go together")
        if (self.proxy_client_cert_file is None) != (self.proxy_client_key_file is None):
            raise OptionError("--proxy-client-cert-file and --proxy-client-key-file go together")
        if self.requestheader_allowed_names and self.requestheader_client_ca_file is None:
            raise OptionError("--requestheader-allowed-names needs --requestheader-client-ca-file")
