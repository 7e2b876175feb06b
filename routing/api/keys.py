"""Client keys, and what the keys of a team may use."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SignedIn, SiteAdministrator
from accounts.models import Team, User
from accounts.permissions import teams_visible_to, users_visible_to
from providers import strict
from providers.bounds import LONGEST_NAME, MOST_PATTERNS
from routing import keys
from routing.api.shared import LATER, METHODS, patterns_field
from routing.models import ENDPOINTS, ApiKey, TeamAccess


class ProvidersField(serializers.ListField):
    """Ids of providers that are there; of one that is gone, only where the row names it already."""

    def __init__(self, **said: Any) -> None:
        child = serializers.CharField(max_length=LONGEST_NAME)
        super().__init__(child=child, required=False, max_length=MOST_PATTERNS, **said)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        found = super().run_validation(data)
        row = self.parent.instance
        try:
            keys.check_providers(found, row.providers if row is not None else ())
        except DjangoValidationError as wrong:
            raise serializers.ValidationError(wrong.messages) from None
        return found


class KeySerializer(strict.CheckedSerializer[ApiKey]):
    """A client key. ``models``: patterns over model names; ``combos``: over combos' names, null = as ``models`` says;
    ``providers`` and ``endpoints``: empty = all. ``owner`` and ``team`` are fixed once it is made."""

    owner = serializers.PrimaryKeyRelatedField(queryset=User.objects.none(), required=False, allow_null=True)
    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.none(), required=False, allow_null=True)
    models = patterns_field(source="model_patterns")
    combos = patterns_field(source="combo_patterns", allow_null=True)
    providers = ProvidersField()
    endpoints = serializers.ListField(child=serializers.ChoiceField(ENDPOINTS), required=False)
    fixed = ("owner", "team")

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "owner", "team", "models", "combos", "providers", "endpoints", "enabled", "expires_at",
            "last4", "created_at", "last_used_at", "request_count",
        ]  # fmt: skip
        read_only_fields = ["last4", "created_at", "last_used_at", "request_count"]

    def get_fields(self) -> dict[str, Any]:
        """Ids out of what the person may see, so that others cannot be probed."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            fields["owner"].queryset = users_visible_to(request.user)
            fields["team"].queryset = teams_visible_to(request.user)
        return fields

    def validate_models(self, patterns: list[str]) -> list[str]:
        try:
            return keys.checked_patterns(patterns)
        except DjangoValidationError as wrong:
            raise serializers.ValidationError(wrong.messages) from None


class NewKeySerializer(KeySerializer):
    """A key just made: the only time its text is shown."""

    key = serializers.CharField(read_only=True)

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "key"]


class KeyViewSet(viewsets.ModelViewSet[ApiKey]):
    """Client keys: one's own, those of teams one owns, all of them for site administrators."""

    queryset = ApiKey.objects.none()
    serializer_class = KeySerializer
    permission_classes = [SignedIn]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[ApiKey]:
        if getattr(self, "swagger_fake_view", False):  # the schema is drawn without anybody asking
            return super().get_queryset()
        chosen = keys.visible_to if self.request.method in ("GET", "HEAD") else keys.editable_by
        return chosen(self._person()).order_by("-id")

    @extend_schema(responses={201: NewKeySerializer})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a key; ``key`` in the answer is shown this once. Without ``owner`` it is one's own."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        owner, team = data.get("owner", request.user), data.get("team")
        if not keys.may_create(self._person(), owner=owner, team=team):
            raise PermissionDenied("You may not make a key for this owner and team.")
        if data.get("expires_at") and data["expires_at"] <= timezone.now():
            raise serializers.ValidationError({"expires_at": ["This is in the past."]})
        row, text = keys.create(
            name=data["name"],
            owner=owner,
            team=team,
            patterns=data.get("model_patterns", ("*",)),
            expires_at=data.get("expires_at"),
        )
        rest = {name: data[name] for name in LATER if name in data}
        if rest:
            for name, value in rest.items():
                setattr(row, name, value)
            row.save()
        return Response({**self.get_serializer(row).data, "key": text}, status=status.HTTP_201_CREATED)

    def _person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user


class TeamAccessSerializer(strict.CheckedSerializer[TeamAccess]):
    """What the keys of a team may use, as for a key. A team that is not in the list may use everything."""

    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all())
    models = patterns_field(source="model_patterns")
    combos = patterns_field(source="combo_patterns", allow_null=True)
    providers = ProvidersField()
    endpoints = serializers.ListField(child=serializers.ChoiceField(ENDPOINTS), required=False)
    fixed = ("team",)

    class Meta:
        model = TeamAccess
        fields = ["team", "models", "combos", "providers", "endpoints"]


class TeamAccessViewSet(viewsets.ModelViewSet[TeamAccess]):
    """Permissions of teams."""

    queryset = TeamAccess.objects.order_by("team_id")
    serializer_class = TeamAccessSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]{1,18}"  # Django does not ask whether the column of a foreign key holds the number
