"""The oidc-* options as the configuration that they stand for (kubeapiserver/options/authentication.go)."""

from __future__ import annotations

from wherry.access.configuration import Obj
from wherry.access.options import AccessOptions
from wherry.errors import ConfigurationError


def document(options: AccessOptions) -> Obj:
    """An AuthenticationConfiguration. Raises ConfigurationError for a CA file that cannot be read."""
    prefix = options.oidc_username_prefix
    if not prefix and options.oidc_username_claim != "email":
        prefix = f"{options.oidc_issuer_url}#"  # names of one issuer must not be those of another
    issuer: Obj = {"url": options.oidc_issuer_url, "audiences": [options.oidc_client_id]}
    if options.oidc_ca_file is not None:
        try:
            issuer["certificateAuthority"] = options.oidc_ca_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--oidc-ca-file: {error}") from None
    mappings: Obj = {"username": {"claim": options.oidc_username_claim, "prefix": "" if prefix == "-" else prefix}}
    if options.oidc_groups_claim:
        mappings["groups"] = {"claim": options.oidc_groups_claim, "prefix": options.oidc_groups_prefix}
    rules = [{"claim": claim, "requiredValue": value} for claim, value in options.oidc_required_claim.items()]
    return {"jwt": [{"issuer": issuer, "claimMappings": mappings, "claimValidationRules": rules}]}
