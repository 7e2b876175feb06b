"""Logging in at vendors through the management API: begin, look, finish. The same services as the pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.apps import apps
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from providers import audit, connections, proxies, registry, strict
from providers.logins import attempts
from providers.logins.attempts import Who
from providers.logins.engine import LoginFailed
from providers.logins.flow import flows
from providers.logins.sentences import explain
from providers.models import Connection, Grant, LoginAttempt, Provider

SESSION = "api"  # what begins here ends here, not in a browser


class GrantSerializer(strict.ModelSerializer[Grant]):
    """A connection's login. Tokens are never shown."""

    class Meta:
        model = Grant
        fields = [
            "state", "message", "method", "email", "account_id", "plan", "expires_at", "obtained_at", "renew_at",
            "accepted_by", "accepted_at",
        ]  # fmt: skip
        read_only_fields = fields


class LoginSerializer(strict.ModelSerializer[LoginAttempt]):
    """A login that was begun. ``shown`` says what the person does: open ``url``, type ``code`` there."""

    accept_terms = serializers.BooleanField(
        write_only=True, help_text="The vendor's restriction was read and accepted."
    )
    provider = serializers.PrimaryKeyRelatedField(queryset=Provider.objects.all())
    connection = serializers.PrimaryKeyRelatedField(
        queryset=Connection.objects.select_related("provider"),
        required=False,
        allow_null=True,
        help_text="The connection to log in again; afterwards the one that was made.",
    )
    proxy = serializers.CharField(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="Of this login and of the connection it makes: a proxy's name, direct, or a URL.",
    )
    name = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=100)
    team = serializers.PrimaryKeyRelatedField(
        queryset=apps.get_model("accounts.Team")._default_manager.all(),
        write_only=True,
        required=False,
        allow_null=True,
        help_text="Of a connection that the login makes: only client keys of this team use it.",
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=30), write_only=True, required=False, help_text="Of the same connection."
    )
    start_url = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=300)
    region = serializers.CharField(write_only=True, required=False, allow_blank=True, max_length=40)

    class Meta:
        model = LoginAttempt
        fields = [
            "uid", "provider", "method", "connection", "accept_terms", "proxy", "name", "team", "tags", "start_url",
            "region", "shown", "status", "message", "expires_at", "interval",
        ]  # fmt: skip
        read_only_fields = ["uid", "shown", "status", "message", "expires_at", "interval"]


class PastedSerializer(strict.Serializer[Any]):
    """The final address, ``code#state``, or a token."""

    pasted = serializers.CharField(max_length=65536, write_only=True)


class LoginViewSet(mixins.CreateModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LoginAttempt]):
    """Logins: POST to begin; GET to look, which asks the vendor of a device login when it is time to; ``finish`` with
    what was pasted. Each lasts ten minutes and belongs to who began it."""

    queryset = LoginAttempt.objects.select_related("provider", "connection")
    serializer_class = LoginSerializer
    lookup_field = "uid"
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_object(self) -> LoginAttempt:
        try:
            return attempts.own(UUID(self.kwargs["uid"]), who(self.request))
        except (LoginFailed, ValueError):
            raise NotFound from None

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(attempts.poll(self.get_object(), who(request))).data)

    def perform_create(self, serializer: Any) -> None:
        said = serializer.validated_data
        entry = registry.effective_of(said["provider"])
        flow = flows().get(entry.login)
        if flow is None:
            raise ValidationError({"provider": [f"{entry.name} has no login of its own."]})
        if said["method"] not in {method.id for method in flow.methods}:
            known = ", ".join(method.id for method in flow.methods)
            raise ValidationError({"method": [f"{entry.name} has no such method; there are: {known}."]})
        again = said.get("connection")
        if again is not None and again.provider_id != entry.id:
            raise ValidationError({"connection": ["It belongs to another provider."]})
        if not said["accept_terms"]:
            raise ValidationError({"accept_terms": [f"Read and accept first: {entry.terms_risk or flow.name}"]})
        proxy = _proxy(said.get("proxy"))
        answers = {name: said.get(name) or "" for name in ("start_url", "region")} | {"label": said.get("name") or ""}
        try:
            serializer.instance = attempts.begin(
                entry,
                said["method"],
                who(self.request),
                connection=again,
                proxy=proxy,
                answers=answers,
                team=said.get("team"),
                tags=_tags(said.get("tags", ())),
            )
        except LoginFailed as wrong:
            field = wrong.code if wrong.code in answers or wrong.code == "proxy" else "provider"
            raise ValidationError({field: [explain(wrong)]}) from None
        audit.note(self.request.user, said["provider"], f"Accepted the restriction of {entry.name} and began a login.")

    @extend_schema(request=PastedSerializer, responses=LoginSerializer)
    @action(detail=True, methods=["post"], serializer_class=PastedSerializer)
    def finish(self, request: Request, uid: str | None = None) -> Response:
        """End a login with what the vendor's page, the browser's address field or a file says."""
        attempt = self.get_object()
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            attempts.pasted(given.validated_data["pasted"], attempt, who(request))
        except LoginFailed as wrong:
            raise ValidationError({"pasted": [explain(wrong)]}) from None
        attempt.refresh_from_db()
        return Response(LoginSerializer(attempt).data, status=status.HTTP_200_OK)


def _tags(given: Any) -> list[str]:
    try:
        return connections.check_tags(given)
    except connections.BadConnection as wrong:
        raise ValidationError({wrong.field: [str(wrong)]}) from None


def _proxy(wanted: str | None) -> str | None:
    try:
        return proxies.checked(wanted)
    except proxies.BadProxy as wrong:
        raise ValidationError({"proxy": [str(wrong)]}) from None


def who(request: Request) -> Who:
    """The person behind a management key or session."""
    return Who(str(request.user.pk), request.user.get_username(), SESSION)
