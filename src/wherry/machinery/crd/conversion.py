"""Validation of spec.conversion: strategy, webhook client and review versions.

Part of `validate`. The path says webhookClientConfig although v1 calls it webhook.clientConfig, and a webhook service
without namespace is reported as one without name: both as upstream, where the internal form is checked.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import dns1035_label, dns1123_subdomain
from wherry.machinery.crd.fields import invalid_value
from wherry.machinery.crd.internal import Conversion

Obj = dict[str, Any]
_ACCEPTED = ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"


def recognized(versions: list[str] | None) -> bool:
    """hasValidConversionReviewVersionOrEmpty."""
    return not versions or any(v in _ACCEPTED for v in versions)


def check_conversion(
    conversion: Conversion | None, path: str, *, require_recognized: bool, allow_invalid_ca: bool
) -> list[FieldError]:
    if conversion is None:
        return []
    errors: list[FieldError] = []
    if not conversion.strategy:
        errors.append(required(f"{path}.strategy"))
    elif conversion.strategy not in ("None", "Webhook"):
        errors.append(not_supported(f"{path}.strategy", conversion.strategy, ["None", "Webhook"]))
    config, versions = conversion.client_config, conversion.review_versions
    if conversion.strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        if config is not None:
            errors.append(forbidden(f"{path}.webhookClientConfig", why))
        if versions:
            errors.append(forbidden(f"{path}.conversionReviewVersions", why))
        return errors
    errors += _check_client(config, f"{path}.webhookClientConfig", allow_invalid_ca)
    return errors + _check_review_versions(versions, f"{path}.conversionReviewVersions", require_recognized)


def _check_client(config: Obj | None, path: str, allow_invalid_ca: bool) -> list[FieldError]:
    if config is None:
        return [required(path, "required when strategy is set to Webhook")]
    errors: list[FieldError] = []
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        errors += check_url(url, f"{path}.url")
    elif service is not None:
        errors += check_service(service, f"{path}.service")
    bundle = config.get("caBundle")
    if bundle and not allow_invalid_ca:
        errors += check_ca_bundle(bundle, f"{path}.caBundle")
    return errors


def check_url(url: str, path: str) -> list[FieldError]:
    """webhook.ValidateWebhookURL with https forced."""
    wrong, scheme, host, user, query, fragment = _parse_url(url)
    if wrong:
        return [required(path, f"url must be a valid URL: {wrong}{_FORM}")]
    errors: list[FieldError] = []
    if scheme != "https":
        errors.append(invalid(path, scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        errors.append(invalid(path, host, f"host must be specified{_FORM}"))
    if user is not None:
        errors.append(invalid(path, user, "user information is not permitted in the URL"))
    if fragment:
        errors.append(invalid(path, fragment, "fragments are not permitted in the URL"))
    if query:
        errors.append(invalid(path, query, "query parameters are not permitted in the URL"))
    return errors


def _parse_url(url: str) -> tuple[str, str, str, str | None, str, str]:
    """(error, scheme, host, user, query, fragment) as net/url.Parse sees them."""
    from wherry.machinery.crd.gourl import parse

    return parse(url)


def check_service(service: Obj, path: str) -> list[FieldError]:
    """webhook.ValidateWebhookService, called by upstream with name and namespace exchanged."""
    errors: list[FieldError] = []
    if not service.get("namespace"):
        errors.append(required(f"{path}.name"))
    if not service.get("name"):
        errors.append(required(f"{path}.namespace"))
    port = service.get("port") or 0
    if not 1 <= port <= 65535:
        errors.append(invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    where = service.get("path")
    if where:
        errors += _check_path(where, f"{path}.path")
    return errors


def _check_path(text: str, path: str) -> list[FieldError]:
    if text == "/":
        return []
    if text == "//":
        return [invalid(path, text, "segment[0] may not be empty")]
    errors: list[FieldError] = []
    if not text.startswith("/"):
        errors.append(invalid(path, text, "must start with a '/'"))
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid(path, text, f"segment[{index}] may not be empty"))
            continue
        errors += [invalid(path, text, f"segment[{index}]: {wrong}") for wrong in dns1123_subdomain(step)]
    return errors


def check_ca_bundle(bundle: str, path: str) -> list[FieldError]:
    """A bundle holds at least one certificate in PEM form."""
    wrong = "unable to load root certificates: unable to parse bytes as PEM block"
    try:
        data = base64.b64decode(bundle, validate=True)
    except (binascii.Error, ValueError):
        return [invalid_value(path, bundle, wrong)]
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin in data and end in data.partition(begin)[2]:
        return []
    return [invalid_value(path, bundle, wrong)]


def _check_review_versions(versions: list[str] | None, path: str, require_recognized: bool) -> list[FieldError]:
    if not versions:
        return [required(path)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        seen.add(version)
        errors += [invalid(f"{path}[{index}]", version, wrong) for wrong in dns1035_label(version)]
    if require_recognized and not recognized(versions):
        errors.append(invalid_value(path, versions, f"must include at least one of {', '.join(_ACCEPTED)}"))
    return errors
