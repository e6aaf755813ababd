"""CertificateSigningRequests with their approval, and ClusterTrustBundles (pkg/apis/certificates/validation).

Reading certificates is in `x509`, which loads `cryptography` when a request is really looked at.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import ClassVar

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import byte_length, name_is_dns_subdomain, name_is_path_segment
from wherry.machinery.builtin.core.shared.fields import immutable, make, spec_of, too_long_bytes
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.status import keep_roots
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.builtin.workloads.projections import validate_signer_name
from wherry.machinery.kinds import Obj

LEGACY = "kubernetes.io/legacy-unknown"
FINAL = ("Approved", "Denied", "Failed")
USAGES = sorted(
    (
        "signing",
        "digital signature",
        "content commitment",
        "key encipherment",
        "key agreement",
        "data encipherment",
        "cert sign",
        "crl sign",
        "encipher only",
        "decipher only",
        "any",
        "server auth",
        "client auth",
        "code signing",
        "email protection",
        "s/mime",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "timestamping",
        "ocsp signing",
        "microsoft sgc",
        "netscape sgc",
    )
)


def raw_bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""


@dataclass(slots=True)
class Options:
    """What an update may do, and what an old object may keep."""

    approve: bool = False
    certify: bool = False
    both: bool = False
    legacy_signer: bool = False
    duplicate_types: bool = False
    empty_type: bool = False
    any_certificate: bool = False
    duplicate_usages: bool = False
    unknown_usages: bool = False


def _conditions_of(obj: Obj) -> list[Obj]:
    return (obj.get("status") or {}).get("conditions") or []


def _certificate_of(obj: Obj) -> str:
    return (obj.get("status") or {}).get("certificate") or ""


def _options(new: Obj, old: Obj) -> Options:
    from wherry.machinery.builtin.policy.x509 import certificate_problem

    types = [condition.get("type") or "" for condition in _conditions_of(old)]
    usages = spec_of(old).get("usages") or []
    same = _certificate_of(new) == _certificate_of(old)
    return Options(
        both="Approved" in types and "Denied" in types,
        legacy_signer=spec_of(old).get("signerName") == LEGACY,
        duplicate_types=len(set(types)) != len(types),
        empty_type="" in types,
        any_certificate=same or bool(certificate_problem(raw_bytes(_certificate_of(old)))),
        duplicate_usages=len(set(usages)) != len(usages),
        unknown_usages=any(usage not in USAGES for usage in usages),
    )


def _usages(usages: list[str], options: Options) -> list[FieldError]:
    out = [] if usages else [required("spec.usages")]
    if not options.unknown_usages:
        out += [not_supported(f"spec.usages[{i}]", u, USAGES) for i, u in enumerate(usages) if u not in USAGES]
    if not options.duplicate_usages:
        seen: set[str] = set()
        for i, usage in enumerate(usages):
            if usage in seen:
                out.append(duplicate(f"spec.usages[{i}]", usage))
            seen.add(usage)
    return out


def _conditions(obj: Obj, options: Options) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(_conditions_of(obj)):
        field = f"status.conditions[{i}]"
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind and not options.empty_type:
            out.append(required(field + ".type"))
        allowed = ["True"] if kind in FINAL else ["False", "True", "Unknown"]
        if not status:
            out.append(required(field + ".status"))
        elif status not in allowed:
            out.append(not_supported(field + ".status", status, allowed))
        other = {"Approved": "Denied", "Denied": "Approved"}.get(kind)
        if other in seen and not options.both:
            why = "Approved and Denied conditions are mutually exclusive"
            out.append(invalid("status.conditions", kind, why))
        if kind in seen and not options.duplicate_types:
            out.append(duplicate(field + ".type", kind))
        seen.add(kind)
    return out


def _validate(obj: Obj, options: Options) -> list[FieldError]:
    from wherry.machinery.builtin.policy.x509 import certificate_problem, request_problem

    spec = spec_of(obj)
    out: list[FieldError] = []
    if problem := request_problem(raw_bytes(spec.get("request"))):
        out.append(invalid("spec.request", spec.get("request"), problem))
    out += _usages(spec.get("usages") or [], options)
    signer = spec.get("signerName") or ""
    if signer == LEGACY and not options.legacy_signer:
        why = "the legacy signerName is not allowed via this API version"
        out.append(invalid("spec.signerName", signer, why))
    else:
        out += validate_signer_name(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        out.append(invalid("spec.expirationSeconds", seconds, why))
    out += _conditions(obj, options)
    if not options.any_certificate and (problem := certificate_problem(raw_bytes(_certificate_of(obj)))):
        out.append(invalid("status.certificate", "<certificate data>", problem))
    return out


def _of_type(obj: Obj, kind: str) -> list[Obj]:
    return [condition for condition in _conditions_of(obj) if (condition.get("type") or "") == kind]


def _changes(new: Obj, old: Obj, options: Options) -> list[FieldError]:
    field = "status.conditions"
    out: list[FieldError] = []
    for kind in FINAL:
        if len(_of_type(new, kind)) < len(_of_type(old, kind)):
            out.append(forbidden(field, f'updates may not remove a condition of type "{kind}"'))
    for kind in () if options.approve else FINAL[:2]:
        now, was = _of_type(new, kind), _of_type(old, kind)
        if len(now) > len(was):
            out.append(forbidden(field, f'updates may not add a condition of type "{kind}"'))
        elif len(now) == len(was) and now != was:
            from wherry.machinery.builtin.core.shared.diff import condition_diff

            why = f'updates may not modify a condition of type "{kind}"\n{condition_diff(was, now)}'
            out.append(forbidden(field, why))
    now_certificate, was_certificate = _certificate_of(new), _certificate_of(old)
    if now_certificate != was_certificate:
        if not options.certify:
            out.append(forbidden("status.certificate", "updates may not set certificate content"))
        elif was_certificate:
            why = "updates may not modify existing certificate content"
            out.append(forbidden("status.certificate", why))
    return out


def _stamp_conditions(new: Obj, old: Obj, now: str) -> None:
    for condition in _conditions_of(new):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            same = (
                before["lastTransitionTime"]
                for before in _conditions_of(old)
                if before.get("type") == condition.get("type")
                and before.get("status") == condition.get("status")
                and before.get("lastTransitionTime")
            )
            condition["lastTransitionTime"] = next(same, now)


class SigningRequestStrategy(Strategy):
    """On the main endpoint nothing but metadata can change after the creation."""

    updates: ClassVar[dict[str, tuple[str, str]]] = {
        "status": ("prepare_status_update", "validate_status_update"),
        "approval": ("prepare_approval_update", "validate_approval_update"),
    }
    validate_name = staticmethod(name_is_path_segment)  # no rule of its own; any name must fit a URL
    meta_again = False

    def prepare_create(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        for key in ("username", "uid", "groups", "extra"):
            spec.pop(key, None)
        obj["status"] = {}

    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        """Who asks: `user` has username, uid, groups and extra as authentication.k8s.io/v1 UserInfo has them."""
        spec = make(obj, "spec")
        spec.update({key: user[key] for key in ("username", "uid", "groups", "extra") if user.get(key)})

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["spec"] = old.get("spec") or {}
        new["status"] = old.get("status") or {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _validate(obj, Options())

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self._validate_change(new, old, _options(new, old))

    def _validate_change(self, new: Obj, old: Obj, options: Options) -> list[FieldError]:
        out = as_new(self, new, False) + _validate(new, options) + _changes(new, old, options)
        return out + as_change(self, new, old)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        """Conditions of a decision stay as decided; the certificate and other conditions may be set."""
        keep_roots(new, old)
        for kind in FINAL[:2]:
            was = _of_type(old, kind)
            positions = [i for i, c in enumerate(_conditions_of(new)) if (c.get("type") or "") == kind]
            if len(was) == len(positions):
                for i, condition in zip(positions, was, strict=True):
                    new["status"]["conditions"][i] = condition

    def stamp_update(self, new: Obj, old: Obj, now: str, subresource: str) -> None:
        if subresource:
            _stamp_conditions(new, old, now)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        options = _options(new, old)
        options.certify = True
        return self._validate_change(new, old, options)

    def prepare_approval_update(self, new: Obj, old: Obj) -> None:
        """The `approval` subresource: only conditions pass."""
        conditions = (new.get("status") or {}).get("conditions")
        new["spec"] = old.get("spec") or {}
        new["status"] = dict(old.get("status") or {})
        new["status"].pop("conditions", None)
        if conditions is not None:
            new["status"]["conditions"] = conditions

    def validate_approval_update(self, new: Obj, old: Obj) -> list[FieldError]:
        options = _options(new, old)
        options.approve = True
        return self._validate_change(new, old, options)


# --- trust bundles ---------------------------------------------------------------------------------------------------


def _bundle_name(name: str, signer: str) -> list[str]:
    """ValidateClusterTrustBundleName: the signer is part of the name."""
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return name_is_dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return name_is_dns_subdomain(name.removeprefix(prefix))


class ClusterTrustBundleStrategy(Strategy):
    unconditional_update = False
    validate_name = staticmethod(name_is_path_segment)  # its own rule needs the spec: see validate_create
    meta_again = False

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, True)

    def _validate(self, obj: Obj, parse: bool) -> list[FieldError]:
        from wherry.machinery.builtin.policy.x509 import bundle_problems

        spec, name = spec_of(obj), obj["metadata"].get("name", "")
        signer, bundle = spec.get("signerName") or "", spec.get("trustBundle") or ""
        out = [invalid("metadata.name", name, text) for text in _bundle_name(name, signer)]
        if signer:
            out += validate_signer_name(signer, "spec.signerName")
        if not parse:
            return out
        if byte_length(bundle) > 1 << 20:
            return [*out, too_long_bytes("spec.trustBundle", 1 << 20)]
        problems = bundle_problems(bundle.encode())
        return out + [invalid("spec.trustBundle", "<value omitted>", text) for text in problems]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        now, was = spec_of(new), spec_of(old)
        parse = (now.get("trustBundle") or "") != (was.get("trustBundle") or "")
        out = self._validate(new, parse) + as_change(self, new, old)
        return out + immutable(now.get("signerName") or "", was.get("signerName") or "", "spec.signerName")
