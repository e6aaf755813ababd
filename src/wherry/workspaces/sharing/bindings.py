"""What a binding comes to: from the binding, its export, the schemas and the neighbours to a status.

Phases, conditions, reasons and words are those of kcp's apibinding and permissionclaimlabel controllers. All of an
export is bound or nothing of it: a kind that somebody else in the workspace has keeps the others away as well, and
what was bound before stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from wherry.machinery.kinds import Obj
from wherry.workspaces.conditions import condition, set_condition
from wherry.workspaces.sharing import Kind
from wherry.workspaces.sharing.claims import Claim
from wherry.workspaces.sharing.schemas import crd_of, names_taken, problems

VALID, COMPLETED, UP_TO_DATE = "APIExportValid", "InitialBindingCompleted", "BindingUpToDate"
CLAIMS_VALID, CLAIMS_APPLIED = "PermissionClaimsValid", "PermissionClaimsApplied"
DELETED = "BindingResourceDeleteSuccess"
_CONTACT = "Invalid APIExport. Please contact the APIExport owner to resolve"
_MOST_SHOWN = 10


class Neighbour(NamedTuple):
    """A kind that the workspace has already: its definition, and who it is."""

    crd: Obj
    shown: str


class Found(NamedTuple):
    """What a binding's reference leads to."""

    cluster: str
    export: Obj
    schemas: Mapping[str, Obj]  # by name, those that are there
    scopes: Mapping[Kind, str]  # of what the binding has bound already


def decide(status: Obj, shown: str, found: Found | None, neighbours: Iterable[Neighbour], now: str) -> None:
    """Bring a status up to date; `shown` is how the export is referred to (`root:provider|widgets`)."""
    _begin(status, now)
    if found is None:
        set_condition(status, VALID, False, now, "APIExportNotFound", f"APIExport {shown} not found")
    else:
        _bind(status, shown, found, list(neighbours), now)
    _summary(status, now)


def _begin(status: Obj, now: str) -> None:
    if not status.get("phase"):
        status["phase"] = "Binding"
        waiting = "Waiting for API(s) to be established"
        set_condition(status, COMPLETED, False, now, "WaitingForEstablished", waiting, "Info")


def _bind(status: Obj, shown: str, found: Found, neighbours: list[Neighbour], now: str) -> None:
    spec, identity = found.export.get("spec") or {}, (found.export.get("status") or {}).get("identityHash", "")
    claims = spec.get("permissionClaims") or []
    if claims:
        status["exportPermissionClaims"] = claims
    else:
        status.pop("exportPermissionClaims", None)
    if not identity:
        text = f"APIExport {shown} is missing status.identityHash"
        set_condition(status, VALID, False, now, "MissingIdentityHash", text, "Warning")
        return
    status["apiExportClusterName"] = found.cluster
    bound: list[Obj] = []
    for offer in spec.get("resources") or ():
        schema = found.schemas.get(offer["schema"])
        if schema is None:
            text = f'{_CONTACT}: APIResourceSchema "{offer["schema"]}" not found'
            set_condition(status, VALID, False, now, "InternalError", text)
            return
        if len(schema["spec"]["versions"]) > 1 and not schema["spec"].get("conversion"):
            set_condition(status, VALID, False, now, "InternalError", _CONTACT)
            return
        wrong = problems(schema)
        if wrong:
            causes = " ".join(str(problem) for problem in wrong)
            text = f"APIResourceSchema {found.cluster}|{offer['schema']} is invalid: [{causes}]"
            _fail(status, now, "APIResourceSchemaInvalid", text)
            return
        crd = crd_of(schema)
        before = found.scopes.get((schema["spec"]["group"], schema["spec"]["names"]["plural"]))
        if before not in (None, crd["spec"]["scope"]):
            text = f"APIResourceSchema {found.cluster}|{offer['schema']} is invalid: [spec.scope: field is immutable]"
            _fail(status, now, "APIResourceSchemaInvalid", text)
            return
        for neighbour in neighbours:
            if details := names_taken(neighbour.crd, crd):
                text = f"Unable to bind APIs: naming conflict with {neighbour.shown}: {details}"
                _fail(status, now, "NamingConflicts", text)
                return
        bound.append(_bound(status, schema, identity))
    status["boundResources"] = _merged(status.get("boundResources") or (), bound)
    for kind in (VALID, COMPLETED, UP_TO_DATE):
        set_condition(status, kind, True, now)
    status["phase"] = "Bound"


def _fail(status: Obj, now: str, reason: str, text: str) -> None:
    set_condition(status, UP_TO_DATE, False, now, reason, text)
    if condition(status, COMPLETED) == "False":
        set_condition(status, COMPLETED, False, now, reason, text)


def _bound(status: Obj, schema: Obj, identity: str) -> Obj:
    group, resource = schema["spec"]["group"], schema["spec"]["names"]["plural"]
    stored = {v["name"] for v in schema["spec"]["versions"] if v.get("storage")}
    for old in status.get("boundResources") or ():
        if (old["group"], old["resource"]) == (group, resource):
            stored.update(old.get("storageVersions") or ())
    meta = schema["metadata"]
    return {
        "group": group,
        "resource": resource,
        "schema": {"name": meta["name"], "UID": meta["uid"], "identityHash": identity},
        "storageVersions": sorted(stored),
    }


def _merged(old: Iterable[Obj], new: Iterable[Obj]) -> list[Obj]:
    """What an export does not offer any more stays bound: consumers have objects of it."""
    found = {(b["group"], b["resource"]): b for b in old}
    found.update({(b["group"], b["resource"]): b for b in new})
    return list(found.values())


def _summary(status: Obj, now: str) -> None:
    """Ready is what the first binding came to; what happens later does not take it back."""
    first: Obj = next((c for c in status["conditions"] if c["type"] == COMPLETED), {})
    ready = first.get("status") == "True"
    reason, text = first.get("reason", ""), first.get("message", "")
    set_condition(status, "Ready", ready, now, reason, text, first.get("severity", "Error"))


def decide_claims(status: Obj, binding: Obj, asked: Iterable[Claim], decided: Iterable[Claim], now: str) -> None:
    """Which claims hold, and what is wrong with those that do not."""
    exported = {claim.key: claim for claim in asked}
    accepted = {claim.key: claim for claim in decided if claim.accepted}
    unexpected = [claim for key, claim in sorted(accepted.items()) if key not in exported]
    different = [
        _difference(claim, exported[key])
        for key, claim in sorted(accepted.items())
        if key in exported and "*" not in claim.verbs | exported[key].verbs and claim.verbs != exported[key].verbs
    ]
    if unexpected:
        texts = [_unexpected(claim) for claim in unexpected[:_MOST_SHOWN]]
        listed = f"[{', '.join(texts)}]" if len(texts) > 1 else texts[0]
        text = f"{len(unexpected)} unexpected and/or invalid permission claims (showing first {len(texts)}): {listed}"
        set_condition(status, CLAIMS_VALID, False, now, "InvalidPermissionClaims", text)
    elif different:
        few = different[:5]
        count = f"{len(different)} permission claim(s) have mismatched verbs or selectors (showing first {len(few)})"
        text = f"{count}: {', '.join(few)}"
        set_condition(status, CLAIMS_VALID, False, now, "PermissionClaimsMismatch", text, "Warning")
    else:
        set_condition(status, CLAIMS_VALID, True, now)
    applied = [
        {key: value for key, value in raw.items() if key != "state"}
        for raw in (binding["spec"].get("permissionClaims") or ())
        if raw.get("state") == "Accepted" and _key(raw) in {claim.key for claim in exported.values()}
    ]
    if applied or status.get("appliedPermissionClaims"):
        status["appliedPermissionClaims"] = applied
    set_condition(status, CLAIMS_APPLIED, True, now)


def _key(raw: Obj) -> tuple[Any, ...]:
    return raw.get("group", ""), raw["resource"], raw.get("identityHash", "")


def _unexpected(claim: Claim) -> str:
    return f'unexpected/invalid claim for {claim.resource}.{claim.group} (identity "{claim.identity}")'


def _difference(accepted: Claim, exported: Claim) -> str:
    one, other = (f"[{' '.join(sorted(claim.verbs))}]" for claim in (accepted, exported))
    return f"{accepted.resource}.{accepted.group} (verbs: accepted {one}, exported {other})"
