"""What model names stand for: combos and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema, extend_schema_field
from msgspec.structs import asdict
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SiteAdministrator
from providers import strict
from routing import combos, publish, trial
from routing.api.shared import METHODS, MOST_STEPS
from routing.blueprints import BLUEPRINTS, Blueprint
from routing.models import Alias, Combo, Strategy
from routing.preview import board_now
from routing.snapshot import Snapshot
from routing.standing import GONE, RESTING, USABLE, Standing, standing


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
        if not isinstance(model, str):
            raise serializers.ValidationError("model must be a text.")
        if not isinstance(weight, int) or isinstance(weight, bool):
            raise serializers.ValidationError("weight must be a whole number.")
        step = combos.Step(model, weight)
        try:
            combos.check_step(step)
        except DjangoValidationError as wrong:
            told = [f"{name}: {' '.join(messages)}" for name, messages in wrong.message_dict.items()]
            raise serializers.ValidationError(told) from None
        return step

    def to_representation(self, value: combos.Step) -> dict[str, Any]:
        return {"model": value.model, "weight": value.weight}


class ComboSerializer(strict.ModelSerializer[Combo]):
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


class TriedStepSerializer(strict.Serializer[trial.Tried]):
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


class ComboTrialSerializer(strict.Serializer[trial.Trial]):
    """``winner``: the first, in the order the combo has now, that answered. ``left_out``: how many more models its
    patterns stand for than were tried."""

    winner = TriedStepSerializer(allow_null=True)
    results = TriedStepSerializer(many=True)
    left_out = serializers.IntegerField()


class StepStandingSerializer(strict.Serializer[Standing]):
    """How a step stands now: ``usable``, ``resting`` (``why`` is a code, for ``seconds``) or ``gone`` (``why`` in
    words); ``models``: how many it stands for."""

    model = serializers.CharField(source="step.model")
    weight = serializers.IntegerField(source="step.weight")
    state = serializers.ChoiceField(choices=[USABLE, RESTING, GONE])
    why = serializers.CharField()
    seconds = serializers.FloatField()
    models = serializers.IntegerField()


class TemplateSerializer(strict.Serializer[Blueprint]):
    """A combo to begin with: POST its ``name``, ``strategy`` and ``steps`` to ``combos/``. ``taken``: there is a combo
    of its name."""

    name = serializers.CharField()
    sentence = serializers.CharField()
    strategy = serializers.ChoiceField(choices=Strategy.choices)
    steps = serializers.ListField(child=serializers.CharField(), source="models")
    standing = serializers.SerializerMethodField()
    taken = serializers.SerializerMethodField()

    @extend_schema_field(StepStandingSerializer(many=True))
    def get_standing(self, plan: Blueprint) -> Any:
        return shown_standing(self.context["snapshot"], plan.steps)

    def get_taken(self, plan: Blueprint) -> bool:
        return plan.name in self.context["names"]


def shown_standing(snapshot: Snapshot, steps: Sequence[combos.Step]) -> Any:
    """How steps stand now, as StepStandingSerializer shows it."""
    found: Any = standing(snapshot, board_now(), steps)
    return StepStandingSerializer(found, many=True).data


class ComboViewSet(viewsets.ModelViewSet[Combo]):
    """Combos: named chains of models."""

    queryset = Combo.objects.prefetch_related("steps")
    serializer_class = ComboSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"

    @extend_schema(request=None, responses=ComboTrialSerializer)
    @action(detail=True, methods=["post"], serializer_class=strict.Nothing)
    def test(self, request: Request, pk: str) -> Response:
        """Send a tiny chat through every step; it takes as long as the slowest and costs a few tokens."""
        combo: Combo = self.get_object()
        found = trial.run(combo.name, combo.strategy, combos.steps_of(combo), user_id=request.user.pk)
        return Response(ComboTrialSerializer(found).data)

    @extend_schema(responses=StepStandingSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def standing(self, request: Request, pk: str) -> Response:
        """How each step stands now, in order; nobody is asked."""
        return Response(shown_standing(publish.build(), combos.steps_of(self.get_object())))

    @extend_schema(request=None, responses={201: ComboSerializer})
    @action(detail=True, methods=["post"], serializer_class=strict.Nothing)
    def duplicate(self, request: Request, pk: str) -> Response:
        """A copy under a free name."""
        copy = combos.duplicate(self.get_object())
        return Response(ComboSerializer(Combo.objects.get(pk=copy.pk)).data, status=201)

    @extend_schema(responses=TemplateSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def templates(self, request: Request) -> Response:
        """Ready-made combos, with how their steps would stand now."""
        names = set(Combo.objects.values_list("name", flat=True))
        context = {"snapshot": publish.build(), "names": names}
        plans: Any = BLUEPRINTS
        return Response(TemplateSerializer(plans, many=True, context=context).data)


class AliasSerializer(strict.CheckedSerializer[Alias]):
    class Meta:
        model = Alias
        fields = ["id", "pattern", "target"]


class AliasViewSet(viewsets.ModelViewSet[Alias]):
    """Aliases: other names for models."""

    queryset = Alias.objects.all()
    serializer_class = AliasSerializer
    permission_classes = [SiteAdministrator]
    http_method_names = METHODS
    lookup_value_regex = "[0-9]+"
