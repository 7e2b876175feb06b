"""What model names stand for: combos, aliases, and a preview of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from msgspec.structs import asdict
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SignedIn, SiteAdministrator
from accounts.models import User
from accounts.permissions import is_site_admin
from routing import combos, keys, publish, trial
from routing.api.shared import METHODS, MOST_STEPS
from routing.models import Alias, ApiKey, Combo, Strategy
from routing.preview import Candidate, Preview, board_now, preview
from routing.snapshot import ANYBODY, Caller, Snapshot


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
    """A combo. ``steps`` may be empty for the strategy ``tiers`` only, which then orders everything connected."""

    steps = serializers.ListField(child=StepField(), required=False, max_length=MOST_STEPS)

    class Meta:
        model = Combo
        fields = ["id", "name", "strategy", "enabled", "sticky", "grants_steps", "steps"]

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        strategy = data.get("strategy", self.instance.strategy if self.instance else Strategy.PRIORITY)
        kept = combos.steps_of(self.instance) if self.instance else []
        if strategy != Strategy.TIERS and not data.get("steps", kept):
            raise serializers.ValidationError({"steps": ["A combo needs at least one step."]})
        return data

    def to_representation(self, row: Combo) -> dict[str, Any]:
        plain = {name: getattr(row, name) for name in self.Meta.fields if name != "steps"}
        return plain | {"steps": [{"model": step.model, "weight": step.weight} for step in combos.steps_of(row)]}

    def create(self, data: dict[str, Any]) -> Combo:
        return self._stored(Combo(), data)

    def update(self, row: Combo, data: dict[str, Any]) -> Combo:
        return self._stored(row, data)

    def _stored(self, row: Combo, data: dict[str, Any]) -> Combo:
        given = data.pop("steps", None)
        steps: Sequence[combos.Step] = given if given is not None else combos.steps_of(row) if row.pk else []
        for name, value in data.items():
            setattr(row, name, value)
        try:
            combos.store_sound(row, steps)
        except combos.BadChain as wrong:
            raise serializers.ValidationError({"steps": [*wrong.steps.values(), *wrong.others]}) from None
        return Combo.objects.get(pk=row.pk)  # without the steps that were prefetched before


class TriedStepSerializer(serializers.Serializer[trial.Tried]):
    """One request. ``step`` is the combo's, ``asked`` the name in the request; ``attempts`` as in the request log."""

    step = serializers.CharField()
    asked = serializers.CharField()
    ok = serializers.BooleanField()
    provider = serializers.CharField()
    connection = serializers.CharField()
    model = serializers.CharField()
    ms = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()
    attempts = serializers.ListField(child=serializers.DictField())

    def to_representation(self, found: trial.Tried) -> dict[str, Any]:
        plain = {str(name): getattr(found, str(name)) for name in self.fields if name != "attempts"}
        return plain | {"attempts": [asdict(attempt) for attempt in found.attempts]}


class ComboTrialSerializer(serializers.Serializer[trial.Trial]):
    """``winner``: the first, in the order the combo has now, that answered. ``left_out``: how many more models its
    patterns stand for than were tried."""

    winner = TriedStepSerializer(allow_null=True)
    results = TriedStepSerializer(many=True)
    left_out = serializers.IntegerField()


class ComboViewSet(viewsets.ModelViewSet[Combo]):
    """Combos: named chains of models."""

    queryset = Combo.objects.prefetch_related("steps")
    serializer_class = ComboSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"

    @extend_schema(request=None, responses=ComboTrialSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a tiny chat through every step; it takes as long as the slowest and costs a few tokens."""
        combo: Combo = self.get_object()
        found = trial.run(combo.name, combo.strategy, combos.steps_of(combo), user_id=request.user.pk)
        return Response(ComboTrialSerializer(found).data)


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


class AskSerializer(serializers.Serializer[Any]):
    """A name, and the id of the client key that asks; without one, nobody's permissions are applied."""

    model = serializers.CharField(max_length=260)
    key = serializers.IntegerField(required=False, allow_null=True)


class CandidateSerializer(serializers.Serializer[Any]):
    provider = serializers.CharField()
    connection = serializers.CharField()
    model = serializers.CharField()
    tier = serializers.CharField()
    input_price = serializers.DecimalField(max_digits=20, decimal_places=10, allow_null=True, source="price")
    why = serializers.SerializerMethodField()
    seconds = serializers.SerializerMethodField()

    def get_why(self, candidate: Candidate) -> str | None:
        return None if candidate.rests is None else candidate.rests.code

    def get_seconds(self, candidate: Candidate) -> float | None:
        return None if candidate.rests is None else round(candidate.rests.seconds, 1)


class PreviewSerializer(serializers.Serializer[Any]):
    """The attempts that would be made, in order; ``why`` and ``seconds`` of those that would not be made now.
    ``left_out``: steps that stand for nothing now, each as name, sentence and code."""

    name = serializers.CharField()
    combo = serializers.CharField()
    candidates = CandidateSerializer(many=True)
    left_out = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    refusal = serializers.SerializerMethodField()

    def get_refusal(self, found: Preview) -> dict[str, Any] | None:
        wrong = found.refusal
        return None if wrong is None else {"status": wrong.status, "code": wrong.code, "message": wrong.message}


class PreviewViewSet(viewsets.GenericViewSet[Any]):
    """What a name stands for, for a key, before anybody asks."""

    serializer_class = AskSerializer
    permission_classes = [SignedIn]
    queryset = ApiKey.objects.none()

    @extend_schema(request=AskSerializer, responses=PreviewSerializer)
    def create(self, request: Request) -> Response:
        asked = AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        snapshot = publish.build()
        found = preview(
            snapshot,
            self._caller(snapshot, asked.validated_data.get("key")),
            asked.validated_data["model"],
            board_now(),
        )
        return Response(PreviewSerializer(found).data)

    def _caller(self, snapshot: Snapshot, pk: int | None) -> Caller:
        assert isinstance(self.request.user, User)
        if pk is None:
            if not is_site_admin(self.request.user):
                raise serializers.ValidationError({"key": ["Say which of your keys asks."]})
            return ANYBODY
        row = keys.visible_to(self.request.user).filter(pk=pk).first()
        if row is None:
            raise serializers.ValidationError({"key": ["There is no such key."]})
        return snapshot.callers[row.key_hash]
