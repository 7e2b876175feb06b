"""A preview of what a name is answered by, and of all that holds for whoever asks."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_auth import SignedIn
from accounts.models import User
from accounts.permissions import teams_visible_to, users_visible_to
from providers import strict
from routing import keys, policies, publish, till
from routing.levels import Level
from routing.models import ENDPOINTS, ApiKey, Policy
from routing.money import usd
from routing.preview import Candidate, NotTheirs, Preview, board_now, caller_of, may_give_address, preview
from routing.resolve import LONGEST_NAME
from routing.snapshot import Caller, Snapshot
from routing.till import Stand


class AskSerializer(strict.Serializer[Any]):
    """A name, and who asks for what. ``key``: the id of a client key. ``user`` and ``team``: ids; without a key, what a
    new key of this user in this team would get. Without any of them, nobody's permissions are applied.
    ``operation``: what is asked for. ``address``: where from, for who may see the rules for addresses; without it these
    are not looked at."""

    model = serializers.CharField(max_length=LONGEST_NAME)
    key = serializers.IntegerField(required=False, allow_null=True)
    user = serializers.IntegerField(required=False, allow_null=True)
    team = serializers.IntegerField(required=False, allow_null=True)
    operation = serializers.ChoiceField(choices=ENDPOINTS, default="chat")
    address = serializers.IPAddressField(required=False, allow_null=True)

    def validate_address(self, address: str | None) -> str | None:
        if address is not None and not may_give_address(self.context["request"].user):
            raise serializers.ValidationError("You may not see the rules for addresses.")
        return address


class CandidateSerializer(strict.Serializer[Any]):
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
        return round(candidate.rests.seconds, 1) or None if candidate.rests is not None else None


class HeldLimitSerializer(strict.Serializer[Level]):
    """``kind``: requests or tokens of the last minute, parallel now. ``used``, ``left``: null where it is not known;
    ``reset_seconds``: until nothing counts."""

    whose = serializers.CharField()
    kind = serializers.ChoiceField(choices=["requests", "tokens", "parallel"])
    limit = serializers.IntegerField()
    used = serializers.IntegerField(allow_null=True)
    left = serializers.IntegerField(allow_null=True)
    reset_seconds = serializers.SerializerMethodField()

    def get_reset_seconds(self, level: Level) -> float | None:
        return None if level.seconds is None else round(level.seconds, 1)


class HeldBudgetSerializer(strict.Serializer[Stand]):
    """Figures only for who may see the budget. ``keeps_away``: models, as provider/model, that it lets nobody ask now;
    always empty where it is not hard. ``reserved_usd`` null: not known."""

    id = serializers.IntegerField(source="budget.id")
    whose = serializers.CharField(source="budget.whose")
    period = serializers.CharField(source="budget.period")
    hard = serializers.BooleanField(source="budget.hard")
    begin = serializers.DateTimeField()
    end = serializers.DateTimeField(allow_null=True)
    used_up = serializers.BooleanField()
    keeps_away = serializers.ListField(child=serializers.CharField())
    limit_usd = serializers.SerializerMethodField()
    spent_usd = serializers.SerializerMethodField()
    reserved_usd = serializers.SerializerMethodField()
    left_usd = serializers.SerializerMethodField()

    def get_limit_usd(self, stand: Stand) -> str | None:
        return self._usd(stand, stand.budget.limit)

    def get_spent_usd(self, stand: Stand) -> str | None:
        return self._usd(stand, stand.spent)

    def get_reserved_usd(self, stand: Stand) -> str | None:
        return self._usd(stand, stand.reserved)

    def get_left_usd(self, stand: Stand) -> str | None:
        return self._usd(stand, None if stand.spent is None else max(stand.budget.limit - stand.gone, 0))

    def _usd(self, stand: Stand, amount: int | None) -> str | None:
        seen: Container[int] = self.context["seen"]
        return f"{usd(amount):.10f}" if amount is not None and stand.budget.id in seen else None


class HeldPolicySerializer(strict.Serializer[Policy]):
    """A policy that the caller's requests go through, in this order. ``scope``: all, team or key; ``name`` of the
    team or key."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    scope = serializers.SerializerMethodField()
    name = serializers.SerializerMethodField()

    def get_scope(self, row: Policy) -> str:
        return policies.scope_of(row)[0]

    def get_name(self, row: Policy) -> str:
        return str(row.api_key.name if row.api_key is not None else row.team or "")


class PreviewSerializer(strict.Serializer[Any]):
    """The attempts that would be made, in order; ``why`` of those that would not be made now, ``seconds`` until they
    may be, where time helps. ``left_out``: steps that stand for nothing now, each as name, sentence and code.
    ``refusal``: what the client would be told now, when nobody can be asked, or a limit is reached. ``limits``,
    ``budgets`` and ``policies``: all that hold for the caller."""

    name = serializers.CharField()
    combo = serializers.CharField()
    candidates = CandidateSerializer(many=True)
    left_out = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    refusal = serializers.SerializerMethodField()
    limits = HeldLimitSerializer(many=True)
    budgets = HeldBudgetSerializer(many=True)
    policies = HeldPolicySerializer(many=True)

    def get_refusal(self, found: Preview) -> dict[str, Any] | None:
        wrong = found.refusal
        if wrong is None:
            return None
        told = {"status": wrong.status, "code": wrong.code, "message": wrong.message}
        return told | {"retry_after": None if wrong.retry_after is None else round(wrong.retry_after, 1)}


class PreviewViewSet(viewsets.GenericViewSet[Any]):
    """What a name stands for, for a key or a user, before anybody asks."""

    serializer_class = AskSerializer
    permission_classes = [SignedIn]
    queryset = ApiKey.objects.none()

    @extend_schema(request=AskSerializer, responses=PreviewSerializer)
    def create(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        snapshot = publish.build()
        caller = self._caller(snapshot, wanted)
        address = wanted.get("address") or ""
        found = preview(snapshot, caller, wanted["model"], board_now(), wanted["operation"], address)
        return Response(PreviewSerializer(found, context={"seen": till.visible_to(self._person())}).data)

    def _person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def _caller(self, snapshot: Snapshot, wanted: Mapping[str, Any]) -> Caller:
        by = self._person()
        key = self._row(wanted, "key", keys.visible_to(by))
        user, team = self._row(wanted, "user", users_visible_to(by)), self._row(wanted, "team", teams_visible_to(by))
        try:
            return caller_of(snapshot, by, key, user, team)
        except NotTheirs as wrong:
            raise serializers.ValidationError({wrong.field: [str(wrong.words)]}) from None

    def _row(self, wanted: Mapping[str, Any], name: str, rows: QuerySet[Any]) -> Any:
        if (pk := wanted.get(name)) is None:
            return None
        row = rows.filter(pk=pk).first()
        if row is None:
            raise serializers.ValidationError({name: [f"There is no such {name}."]})
        return row
