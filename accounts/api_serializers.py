"""How people look in the management API. Passwords, tokens and keys go in or are shown once, never read back."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts import permissions
from accounts.invitations import LONGEST_DAYS
from accounts.management_keys import SCOPES
from accounts.models import Invitation, ManagementKey, Membership, Role, Team, User
from providers import strict


class UserSerializer(strict.ModelSerializer[User]):
    """``is_superuser`` is the site administrator; ``password`` can be given when the person is made."""

    password = serializers.CharField(write_only=True, required=False, max_length=256, trim_whitespace=False)
    # Uniqueness is the service's check: it knows secondary addresses too.
    email = serializers.EmailField(max_length=254)

    class Meta:
        model = User
        fields = ["id", "email", "name", "is_active", "is_superuser", "date_joined", "last_login", "password"]
        read_only_fields = ["last_login"]

    def validate_password(self, value: str) -> str:
        if self.instance is not None:
            raise serializers.ValidationError(
                "A password is given at creation only; later it is reset or set in the admin."
            )
        return value


class TeamSerializer(strict.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ["id", "name", "created_at"]


class MembershipSerializer(strict.ModelSerializer[Membership]):
    """``team`` and ``user`` are fixed once made; only ``role`` changes."""

    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all())
    user = serializers.PrimaryKeyRelatedField(queryset=User.objects.all())
    email = serializers.EmailField(source="user.email", read_only=True)
    team_name = serializers.CharField(source="team.name", read_only=True)

    class Meta:
        model = Membership
        fields = ["id", "team", "team_name", "user", "email", "role"]
        extra_kwargs = {"role": {"default": Role.MEMBER}}
        validators: list[Any] = []  # the service says who is in the team already

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Ids out of what the person may see: the others cannot be probed, nor added to a team unasked."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            fields["team"].queryset = permissions.teams_visible_to(request.user)
            fields["user"].queryset = permissions.users_visible_to(request.user)
        if self.instance is not None:
            fields["team"].read_only = fields["user"].read_only = True
        return fields


class InvitationSerializer(strict.ModelSerializer[Invitation]):
    class Meta:
        model = Invitation
        fields = [
            "id",
            "email",
            "team",
            "role",
            "site_administrator",
            "created_by",
            "created_at",
            "expires_at",
            "accepted_at",
            "is_open",
        ]
        read_only_fields = fields


class NewInvitationSerializer(strict.ModelSerializer[Invitation]):
    """``days`` the link is valid. The reply carries the invitation and its ``link``, once."""

    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=7, write_only=True)
    link = serializers.URLField(read_only=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "team", "role", "site_administrator", "days", "link"]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            fields["team"].queryset = permissions.teams_visible_to(request.user)
        return fields


class ManagementKeySerializer(strict.ModelSerializer[ManagementKey]):
    class Meta:
        model = ManagementKey
        fields = ["id", "user", "name", "last4", "scopes", "enabled", "created_at", "expires_at", "last_used_at"]
        read_only_fields = ["user", "last4", "scopes", "expires_at", "last_used_at"]


class NewManagementKeySerializer(strict.Serializer[Any]):
    """The reply carries the row and its ``key``, once."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), min_length=1, max_length=len(SCOPES))
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    key = serializers.CharField(read_only=True)
