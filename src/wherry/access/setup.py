"""Puts the chain together from options, and again when a file of theirs changes.

Everything that is not asked for is not imported: a control plane without options has certificates, ServiceAccount
tokens, the administrator's token and RBAC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.certificates import Certificates
from wherry.access.authentication.static import StaticTokens, read_tokens
from wherry.access.chain import (
    ADMIN,
    Anonymous,
    Authenticator,
    Authorizer,
    Bearer,
    Chain,
    RuleResolver,
    Rules,
    TokenAuthenticator,
    masters,
)
from wherry.access.options import AccessOptions, OptionError
from wherry.access.rbac import Rbac
from wherry.access.signing import Signer
from wherry.access.tokens import ISSUER, AccountTokens, Look
from wherry.access.user import Attributes, Decision, User
from wherry.errors import ConfigurationError
from wherry.kit.files import FileWatch
from wherry.storage.api import Storage

if TYPE_CHECKING:
    from wherry.access.authentication.config import AuthenticationConfiguration
    from wherry.access.authentication.oidc import Issuer
    from wherry.access.authorization.node import NodeAuthorizer
    from wherry.access.authorization.settings import AuthorizerSettings
    from wherry.access.remote import Remote
    from wherry.access.webhooks import WebhookCaller

log = logging.getLogger("wherry.access")

HEALTH_SECONDS = 60.0  # that new issuers have to answer before they take the place of those in force


class Access:
    """Everything about access that lives as long as a control plane: `start` on a running loop, `stop` at the end.

    Raises ConfigurationError and OSError for what cannot be used at the start; a change that
    cannot be used later is logged, and what was in force stays."""

    def __init__(
        self,
        storage: Storage,
        look: Look,
        clock: Callable[[], float],
        options: AccessOptions,
        caller: Callable[[], WebhookCaller],
        *,
        token: str = "",
        keys: Path | None = None,
    ):
        options.check()
        self._storage, self._look, self._clock, self._options = storage, look, clock, options
        self._caller = caller
        self.watch = FileWatch()
        self.rbac = Rbac(storage)
        self.accounts = self._accounts(keys)
        self._agnostic = Agnostic(self.accounts.audiences)
        self._node: NodeAuthorizer | None = None
        self._issuers: list[Issuer] = []
        self._retired: deque[Issuer] = deque(maxlen=128)  # replaced, but perhaps still asked
        self._reviewers: dict[Path, Remote] = {}  # by kubeconfig
        self.reloads: Counter[tuple[str, str]] = Counter()  # of configuration: (which, success or failure)
        self._reloading: asyncio.Task[None] | None = None
        tokens = {**(read_tokens(options.token_auth_file) if options.token_auth_file else {}), **options.users}
        if token:
            tokens[token] = ADMIN
        self._local: list[TokenAuthenticator] = [StaticTokens(tokens, self._agnostic), self.accounts]
        self._remote: list[TokenAuthenticator] = []
        self._more_tokens()
        self._bearer = Bearer([*self._local, *self._remote])
        authorizers: list[Authorizer] = [masters, self.rbac]
        resolvers: list[RuleResolver] = [self.rbac.resolve]
        if options.authorization_config is not None or options.authorization_mode:
            authorizers, resolvers = self._authorizers(self._authorization())
        self.chain = Chain([*self._certificates(), self._bearer], authorizers, resolvers=resolvers)
        self.chain.anonymous = Anonymous(options.anonymous)
        self._pending: AuthenticationConfiguration | None = self._authentication()

    # --- life -------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        configuration, self._pending = self._pending, None
        if configuration is not None:
            self._issuers = self._made(configuration)
            self._take_over(configuration)
        options = self._options
        if options.authentication_config is not None:
            self.watch.add([options.authentication_config], self._authentication_changed)
        if options.authorization_config is not None:
            self.watch.add([options.authorization_config], self._authorization_changed)
        self.watch.add(self.accounts.signer.files, self.accounts.signer.reload)
        self.watch.start()

    async def stop(self) -> None:
        self.watch.stop()
        if self._reloading is not None:
            self._reloading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reloading
        for issuer in (*self._issuers, *self._retired):
            await issuer.stop()
        self.rbac.close()
        if self._node is not None:
            self._node.close()

    # --- authentication ---------------------------------------------------------------------------------------------
    def _accounts(self, keys: Path | None) -> AccountTokens:
        options = self._options
        signer = Signer(
            keys, signing_file=options.service_account_signing_key_file, key_files=options.service_account_key_file
        )
        if options.service_account_signing_key_file is not None or options.service_account_key_file:
            try:
                signer.publics()  # a file that holds no key is better known now than at the first token
            except ValueError as error:
                raise ConfigurationError(str(error)) from None
        issuers = options.service_account_issuer or (ISSUER,)
        return AccountTokens(
            self._look,
            self._clock,
            signer,
            issuers,
            options.api_audiences or issuers,
            int(options.service_account_max_token_expiration),
            options.service_account_extend_token_expiration,
            options.service_account_jwks_uri,
        )

    def _certificates(self) -> list[Authenticator]:
        options = self._options
        found: list[Authenticator] = [Certificates(self._agnostic)]
        if options.requestheader_client_ca_file is None:
            return found
        from wherry.access.authentication.proxy import Proxy, ProxyHeaders

        headers = ProxyHeaders(
            options.requestheader_username_headers,
            options.requestheader_uid_headers,
            options.requestheader_group_headers,
            options.requestheader_extra_headers_prefix,
            options.requestheader_allowed_names,
        )
        return [Proxy(headers, self._agnostic), *found]

    def _more_tokens(self) -> None:
        options = self._options
        if options.enable_bootstrap_token_auth:
            from wherry.access.authentication.bootstrap import BootstrapTokens

            self._local.append(BootstrapTokens(self._look, self._clock, self._agnostic))
        if options.authentication_token_webhook_config_file is not None:
            from wherry.access.authentication.webhook import TokenWebhook

            webhook = TokenWebhook(
                self._reviewer(options.authentication_token_webhook_config_file),
                self.accounts.audiences,
                self._clock,
                version=options.authentication_token_webhook_version,
                kept_seconds=options.authentication_token_webhook_cache_ttl,
            )
            self._remote.append(webhook)

    def _authentication(self) -> AuthenticationConfiguration | None:
        """What the file or the oidc-* options say. Raises ConfigurationError."""
        options = self._options
        if options.authentication_config is not None:
            from wherry.access.authentication.config import read

            found = read(options.authentication_config.read_bytes(), self.accounts.issuers)
            if found.anonymous is not None and options.anonymous_auth is not None:
                raise OptionError(
                    "--anonymous-auth flag cannot be set when anonymous field is configured in"
                    " AuthenticationConfiguration file"
                )
            return found
        if options.oidc_issuer_url:
            from wherry.access.authentication.config import checked
            from wherry.access.authentication.flags import document

            return checked(document(options), self.accounts.issuers)
        return None

    def _made(self, configuration: AuthenticationConfiguration) -> list[Issuer]:
        from wherry.access.authentication.jose import ALGORITHMS
        from wherry.access.authentication.oidc import Issuer

        file = self._options.authentication_config is not None
        algorithms: Sequence[str] = ALGORITHMS if file else self._options.oidc_signing_algs
        made = [Issuer(each, self._caller, self._clock, self._agnostic, algorithms) for each in configuration.issuers]
        for issuer in made:
            issuer.start()
        return made

    def _take_over(self, configuration: AuthenticationConfiguration) -> None:
        self._bearer.known = [*self._local, *self._issuers, *self._remote]
        self.chain.anonymous = configuration.anonymous or Anonymous(self._options.anonymous)

    def _authentication_changed(self) -> None:
        try:
            configuration = self._authentication()
        except Exception:
            self.reloads["authentication", "failure"] += 1
            raise
        assert configuration is not None
        if self._reloading is not None:
            self._reloading.cancel()
        self._reloading = asyncio.get_running_loop().create_task(self._exchange(configuration))

    async def _exchange(self, configuration: AuthenticationConfiguration) -> None:
        """New issuers take over once they have answered; until then, and if they do not, the old ones stay."""
        fresh = self._made(configuration)
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await asyncio.gather(*(issuer.found() for issuer in fresh))
        except BaseException as error:
            for issuer in fresh:
                await issuer.stop()
            if isinstance(error, TimeoutError):
                self.reloads["authentication", "failure"] += 1
                problems = ", ".join(issuer.problem for issuer in fresh if issuer.problem)
                log.error("the authentication configuration is not taken over: %s", problems)
                return
            raise
        self.reloads["authentication", "success"] += 1
        old, self._issuers = self._issuers, fresh
        self._take_over(configuration)
        log.info("the authentication configuration has been taken over")
        self._retired += old
        for issuer in old:
            issuer.retire()

    def _reviewer(self, kubeconfig: Path) -> Remote:
        """Whoever a kubeconfig names; it may rotate what it shows there."""
        from wherry.access.remote import Remote, files_of_kubeconfig, target_of_kubeconfig

        remote = self._reviewers.get(kubeconfig)
        if remote is None:
            remote = self._reviewers[kubeconfig] = Remote(target_of_kubeconfig(kubeconfig), self._caller)

            def again() -> None:
                remote.target = target_of_kubeconfig(kubeconfig)

            self.watch.add(files_of_kubeconfig(kubeconfig), again)
        return remote

    # --- authorization ----------------------------------------------------------------------------------------------
    def _authorization(self) -> list[AuthorizerSettings]:
        """What the file or the flags say. Raises ConfigurationError."""
        options = self._options
        if options.authorization_config is None:
            from wherry.access.authorization.modes import settings_of

            return settings_of(options)
        from wherry.access.authorization.config import read

        return read(options.authorization_config.read_bytes())

    def _authorization_changed(self) -> None:
        try:
            authorizers, resolvers = self._authorizers(self._authorization())
        except Exception:
            self.reloads["authorization", "failure"] += 1
            raise
        self.reloads["authorization", "success"] += 1
        self.chain.authorizers, self.chain.resolvers = authorizers, resolvers
        log.info("the authorization configuration has been taken over")

    def _authorizers(self, settings: Sequence[AuthorizerSettings]) -> tuple[list[Authorizer], list[RuleResolver]]:
        authorizers: list[Authorizer] = [masters]
        resolvers: list[RuleResolver] = []
        for each in settings:
            authorizer, resolver = self._authorizer(each)
            authorizers.append(authorizer)
            resolvers.append(resolver)
        return authorizers, resolvers

    def _authorizer(self, each: AuthorizerSettings) -> tuple[Authorizer, RuleResolver]:
        if each.mode == "RBAC":
            return self.rbac, self.rbac.resolve
        if each.mode == "Node":
            node = self._nodes()
            return node, node.rules
        if each.mode == "AlwaysAllow":
            return _always, _everything
        if each.mode == "AlwaysDeny":
            return _never, _nothing
        from wherry.access.authorization.webhook import WebhookAuthorizer

        assert each.kubeconfig is not None
        assert each.webhook is not None
        webhook = WebhookAuthorizer(self._reviewer(each.kubeconfig), each.webhook, self._clock)
        return webhook, webhook.rules

    def _nodes(self) -> NodeAuthorizer:
        if self._node is None:
            from wherry.access.authorization.graph import Graph
            from wherry.access.authorization.node import NodeAuthorizer

            self._node = NodeAuthorizer(Graph(self._storage))
        return self._node


def _always(asked: Attributes) -> Decision:
    return Decision(True)


def _never(asked: Attributes) -> Decision:
    return Decision(False, "Everything is forbidden.")


def _everything(user: User, namespace: str, workspace: str) -> Rules:
    return Rules(
        [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]
    )


def _nothing(user: User, namespace: str, workspace: str) -> Rules:
    return Rules()
