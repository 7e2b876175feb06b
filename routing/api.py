"""The management API's client keys, combos, aliases and switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SignedIn, SiteAdministrator
from accounts.models import Team, User
from accounts.permissions import teams_visible_to, users_visible_to
from routing import combos, keys
from routing.models import Alias, ApiKey, Combo, GatewaySettings
from routing.snapshot import Switches

METHODS = ["get", "post", "patch", "delete", "head", "options"]
MOST_STEPS = 100


# -- client keys ------------------------------------------------------------------------------------------------------
class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A client key. ``models``: patterns over model names. ``owner`` and ``team`` are fixed once it is made."""

    owner = serializers.PrimaryKeyRelatedField(queryset=User.objects.none(), required=False, allow_null=True)
    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.none(), required=False, allow_null=True)
    models = serializers.ListField(
        child=serializers.CharField(max_length=keys.LONGEST_PATTERN),
        source="model_patterns",
        required=False,
        max_length=1000,
    )

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "owner", "team", "models", "enabled", "expires_at", "last4", "created_at", "last_used_at",
            "request_count",
        ]  # fmt: skip
        read_only_fields = ["last4", "created_at", "last_used_at", "request_count"]

    def get_fields(self) -> dict[str, Any]:
        """Ids out of what the person may see, so that others cannot be probed."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            fields["owner"].queryset = users_visible_to(request.user)  # type: ignore[attr-defined]
            fields["team"].queryset = teams_visible_to(request.user)  # type: ignore[attr-defined]
        if self.instance is not None:
            fields["owner"].read_only = fields["team"].read_only = True
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
        if data.get("enabled") is False:
            row.enabled = False
            row.save()
        return Response({**self.get_serializer(row).data, "key": text}, status=status.HTTP_201_CREATED)

    def _person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user


# -- combos and aliases -----------------------------------------------------------------------------------------------
@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "model": {"type": "string"},
                    "weight": {"type": "integer", "minimum": 0, "maximum": 100},
                },
                "required": ["model"],
            },
        ]
    }
)
class StepField(serializers.Field[Any, Any, Any, Any]):
    """A step: just the model, or an object with model and weight; shown as an object."""

    def to_internal_value(self, data: Any) -> combos.Step:
        given = {"model": data} if isinstance(data, str) else data
        if not isinstance(given, dict) or not {"model"} <= set(given) <= {"model", "weight"}:
            raise serializers.ValidationError("A step is a model name, or an object with model and weight.")
        model, weight = given["model"], given.get("weight", 1)
        if not isinstance(model, str) or not 1 <= len(model) <= 260 or any(c.isspace() for c in model):
            raise serializers.ValidationError("model must be a name of 1 to 260 characters without spaces.")
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 100:
            raise serializers.ValidationError("weight must be a whole number from 0 to 100.")
        return combos.Step(model, weight)

    def to_representation(self, value: combos.Step) -> dict[str, Any]:
        return {"model": value.model, "weight": value.weight}


class ComboSerializer(serializers.ModelSerializer[Combo]):
    steps = serializers.ListField(child=StepField(), allow_empty=False, max_length=MOST_STEPS)

    class Meta:
        model = Combo
        fields = ["id", "name", "strategy", "enabled", "steps"]

    def to_representation(self, row: Combo) -> dict[str, Any]:
        plain = {name: getattr(row, name) for name in ("id", "name", "strategy", "enabled")}
        return plain | {"steps": [{"model": step.model, "weight": step.weight} for step in combos.steps_of(row)]}

    def create(self, data: dict[str, Any]) -> Combo:
        return self._stored(Combo(), data)

    def update(self, row: Combo, data: dict[str, Any]) -> Combo:
        return self._stored(row, data)

    @transaction.atomic
    def _stored(self, row: Combo, data: dict[str, Any]) -> Combo:
        before = combos.faults(combos.stored())
        steps: Sequence[combos.Step] = data.pop("steps", None) or combos.steps_of(row)
        for name, value in data.items():
            setattr(row, name, value)
        combos.store(row, steps)
        faults = combos.faults(combos.stored())
        if new := [fault for name, fault in faults.items() if name == row.name or name not in before]:
            raise serializers.ValidationError({"steps": new})
        return Combo.objects.get(pk=row.pk)  # without the steps that were prefetched before


class ComboViewSet(viewsets.ModelViewSet[Combo]):
    """Combos: named chains of models."""

    queryset = Combo.objects.prefetch_related("steps")
    serializer_class = ComboSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


class AliasSerializer(serializers.ModelSerializer[Alias]):
    class Meta:
        model = Alias
        fields = ["id", "pattern", "target"]

    def validate_pattern(self, value: str) -> str:
        if any(character.isspace() for character in value):
            raise serializers.ValidationError("A pattern holds no spaces.")
        return value

    def validate_target(self, value: str) -> str:
        if any(character.isspace() or character in "*?" for character in value):
            raise serializers.ValidationError("A target is one model: no spaces, no * and no ?.")
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        now = {name: data.get(name, getattr(self.instance, name, None)) for name in ("pattern", "target")}
        if now["pattern"] == now["target"]:
            raise serializers.ValidationError({"target": ["An alias must not point at itself."]})
        return data


class AliasViewSet(viewsets.ModelViewSet[Alias]):
    """Aliases: other names for models."""

    queryset = Alias.objects.all()
    serializer_class = AliasSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"


# -- switches ---------------------------------------------------------------------------------------------------------
class SettingsSerializer(serializers.ModelSerializer[GatewaySettings]):
    class Meta:
        model = GatewaySettings
        fields = [*Switches.__dataclass_fields__, "notice"]


class SettingsViewSet(mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[GatewaySettings]):
    """The gateway's switches."""

    singleton = True
    queryset = GatewaySettings.objects.all()
    serializer_class = SettingsSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = ["get", "patch", "head", "options"]

    def get_object(self) -> GatewaySettings:
        return GatewaySettings.load()


routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("keys", KeyViewSet),
    ("combos", ComboViewSet),
    ("aliases", AliasViewSet),
    ("settings", SettingsViewSet),
]
