"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: services that are asked about requests
(apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go).

Mutating ones are asked one after the other, each seeing what those before it made of the object, and again when a later
one has changed something and they want that; validating ones all at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.admission import Ask, Plugin
from wherry.access.plugins.expressions import Decide, request_document
from wherry.access.plugins.hooks import Hook, Hooks
from wherry.access.plugins.matching import exempt, shown
from wherry.access.plugins.patching import PatchError, patched, put_back
from wherry.access.plugins.turns import turns
from wherry.kit import gojson
from wherry.kit.ids import new_uid
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.access.webhooks import WebhookCaller
    from wherry.machinery.admissionreview import Response

MOST_SECONDS = 34.0  # for all calls that one request makes one after the other
_MUTATION = "mutation.webhook.admission.k8s.io/"
_PATCH = "patch.webhook.admission.k8s.io/"
_FAILED_OPEN = "failed-open."
_VALIDATING = "validating.webhook.admission.k8s.io/"


class CallFailed(Exception):
    """A webhook that could not be asked, or that did not answer."""


class Webhooks:
    """Both plugins over one store. `caller` is asked for when the first webhook is called."""

    def __init__(
        self, store: Store, registry: Registry, caller: Callable[[], WebhookCaller], decide: Decide | None = None
    ):
        self._store, self._registry, self._caller, self._decide = store, registry, caller, decide
        self._mutating = Hooks(store, "mutatingwebhookconfigurations")
        self._validating = Hooks(store, "validatingwebhookconfigurations")

    # --- mutating ----------------------------------------------------------------------------------------------------
    def mutating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self._mutating.of(ask.definition.workspace)
            if hooks and not exempt(ask):
                await self._mutate(ask, hooks)

        return plugin

    async def _mutate(self, ask: Ask, hooks: list[Hook]) -> None:
        taken = turns(ask, "webhooks")
        taken.begin(ask)
        again = ask.rounds is not None and ask.rounds.again
        for index, hook in enumerate(hooks):
            matched = await hook.concerns(ask, self._store, self._registry, self._decide)
            if matched is None or taken.over(hook.uid):
                continue
            where = f"round_{int(again)}_index_{index}"
            try:
                changed = await self._mutate_by(ask, hook, matched, where, taken.began)
            except CallFailed as failed:
                changed = False
                if not hook.ignore:
                    raise _internal(str(failed)) from None
                ask.annotate(f"{_FAILED_OPEN}{_MUTATION}{where}", hook.name)
            taken.took(hook.uid, changed=changed, again=hook.again)
            if monotonic() - taken.began > MOST_SECONDS:
                raise _too_slow()
        taken.end(ask)

    async def _mutate_by(self, ask: Ask, hook: Hook, matched: Definition, where: str, began: float) -> bool:
        changed = False
        try:
            said = await self._call(ask, hook, matched, mutating=True, began=began)
            changed = await _change(ask, hook, matched, said, where)
        finally:
            note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
            ask.annotate(_MUTATION + where, orjson.dumps(note).decode())
        return changed

    # --- validating --------------------------------------------------------------------------------------------------
    def validating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self._validating.of(ask.definition.workspace)
            if hooks and not exempt(ask):
                await self._validate(ask, hooks)

        return plugin

    async def _validate(self, ask: Ask, hooks: list[Hook]) -> None:
        concerned = []
        for hook in hooks:
            matched = await hook.concerns(ask, self._store, self._registry, self._decide)
            if matched is not None:
                concerned.append((hook, matched))
        if not concerned:
            return
        began = monotonic()
        if len(concerned) == 1:
            refusals = [await self._validate_by(ask, *concerned[0], 0, began)]
        else:
            calls = [self._validate_by(ask, hook, d, index, began) for index, (hook, d) in enumerate(concerned)]
            refusals = await asyncio.gather(*calls)
        for refusal in refusals:
            if refusal is not None:
                raise refusal

    async def _validate_by(
        self, ask: Ask, hook: Hook, matched: Definition, index: int, began: float
    ) -> errors.StatusError | None:
        """The refusal of one webhook. Nothing is raised: the others are to be heard as well."""
        try:
            await self._call(ask, hook, matched, mutating=False, began=began)
        except CallFailed as failed:
            if not hook.ignore:
                return _internal(str(failed))
            ask.annotate(f"{_FAILED_OPEN}{_VALIDATING}round_0_index_{index}", hook.name)
        except errors.StatusError as refusal:
            return refusal
        return None

    # --- one call ----------------------------------------------------------------------------------------------------
    async def _call(self, ask: Ask, hook: Hook, matched: Definition, *, mutating: bool, began: float) -> Response:
        """Ask one webhook. Raises CallFailed where there is no answer, StatusError where it says no."""
        from wherry.access.webhooks import WebhookError
        from wherry.machinery import admissionreview as reviews

        if ask.dry_run and not hook.pure:
            raise errors.BadRequest(f"admission webhook {errors.go_quote(hook.name)} does not support dry run")
        uid = new_uid()
        try:
            version = reviews.version_of(hook.versions)
            request = request_document(ask, matched)
            objects = {"object": await shown(ask, matched, ask.obj), "oldObject": await shown(ask, matched, ask.old)}
            options = {"dryRun": request.pop("dryRun"), "options": request.pop("options")}
            body = reviews.review(version, {"uid": uid, **request, **objects, **options})
            seconds = min(float(hook.seconds), max(MOST_SECONDS - (monotonic() - began), 0.001))
            query = f"timeout={hook.seconds}s"
            answer = await self._caller().post(hook.client, body, seconds=seconds, query=query)
            said = reviews.response(answer, version, uid, mutating=mutating)
        except WebhookError as failed:
            raise _failed(hook, f"failed to call webhook: {failed}") from None
        except reviews.ReviewError as unusable:
            raise _failed(hook, str(unusable)) from None
        for key, value in said.annotations.items():
            ask.annotate(f"{hook.name}/{key}", value)
        ask.ctx.warnings.extend(said.warnings)
        if not said.allowed:
            raise reviews.rejection(hook.name, said.status)
        return said


async def _change(ask: Ask, hook: Hook, matched: Definition, said: Response, where: str) -> bool:
    """Apply the patch of an answer; whether it has changed anything."""
    if not said.patch:
        return False
    operations = _operations(hook, said.patch)
    if not operations:
        return False
    if ask.obj is None:
        text = "attempted to modify the object, which is not supported for this operation"
        raise _internal(f"admission webhook {errors.go_quote(hook.name)} {text}")
    if said.patch_type != "JSONPatch":
        raise _failed(hook, f"unsupported patch type {errors.go_quote(said.patch_type)}")
    try:
        before = await shown(ask, matched, ask.obj)
        assert before is not None
        changed = await put_back(ask, matched, patched(before, operations))
    except PatchError as wrong:
        raise _internal(str(wrong)) from None
    except errors.BadRequest as wrong:
        raise _internal(wrong.message) from None
    note = {"configuration": hook.configuration, "webhook": hook.name, "patch": operations, "patchType": "JSONPatch"}
    ask.annotate(_PATCH + where, orjson.dumps(note).decode())
    return changed


def _operations(hook: Hook, patch: bytes) -> list[Any]:
    try:
        found = orjson.loads(patch)
    except orjson.JSONDecodeError:
        raise _undecodable(hook, gojson.syntax_error(patch)) from None
    if found is not None and not isinstance(found, list):
        text = f"json: cannot unmarshal {gojson.kind_name(found)} into Go value of type jsonpatch.Patch"
        raise _undecodable(hook, text)
    for item in found or ():
        if not isinstance(item, dict):
            text = f"json: cannot unmarshal {gojson.kind_name(item)} into Go value of type jsonpatch.Operation"
            raise _undecodable(hook, text)
    return found or []


def _undecodable(hook: Hook, why: str) -> CallFailed:
    return _failed(hook, f"received undecodable patch in webhook response: {why}")


def _failed(hook: Hook, why: str) -> CallFailed:
    return CallFailed(f"failed calling webhook {errors.go_quote(hook.name)}: {why}")


def _internal(why: str) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def _too_slow() -> errors.Timeout:
    return errors.Timeout("Timeout: request did not complete within requested timeout - context deadline exceeded")
