"""The management API's people: users, teams, memberships, invitations, management keys.

Every view starts from what the person may see (``accounts.permissions``), so that an id of somebody else's is a 404;
what they may change is decided by ``accounts.services`` and, here, per verb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts import invitations, management_keys, permissions, services
from accounts.api_auth import SignedIn, scopes_of
from accounts.api_serializers import (
    InvitationSerializer,
    ManagementKeySerializer,
    MembershipSerializer,
    NewInvitationSerializer,
    NewManagementKeySerializer,
    TeamSerializer,
    UserSerializer,
)
from accounts.models import Invitation, ManagementKey, Membership, Team, User
from accounts.services import Refused


class _Rows(viewsets.GenericViewSet[Any]):
    """What the person may see; a refusal of the services is a 400 with its sentence."""

    permission_classes = [SignedIn]
    visible: Callable[[Any], QuerySet[Any]]

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the schema is drawn without anybody asking
            return super().get_queryset()
        return type(self).visible(self.person())

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(ValidationError({"detail": [str(exc)]}) if isinstance(exc, Refused) else exc)

    def person(self) -> User:
        user = self.request.user
        assert isinstance(user, User)
        return user

    def only_site_administrators(self) -> None:
        if not permissions.is_site_admin(self.person()):
            raise PermissionDenied("Only site administrators may do that.")


class UserViewSet(_Rows, viewsets.ModelViewSet[User]):
    """People. Members see themselves and their teammates and may change their own name; administrators all."""

    queryset = User.objects.none()
    visible = staticmethod(permissions.users_visible_to)
    serializer_class = UserSerializer
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        self.only_site_administrators()
        data = serializer.validated_data
        serializer.instance = services.create_user(
            email=data["email"],
            password=data.get("password"),
            name=data.get("name", ""),
            site_administrator=data.get("is_superuser", False),
            email_verified=True,
        )
        if data.get("is_active") is False:
            services.set_active(serializer.instance, False)

    def perform_update(self, serializer: Any) -> None:
        user, data = serializer.instance, serializer.validated_data
        if user.pk != self.person().pk or set(data) - {"name"}:
            self.only_site_administrators()
        services.change_user(user, **data)

    def perform_destroy(self, instance: User) -> None:
        self.only_site_administrators()
        services.delete_user(instance)


class TeamViewSet(_Rows, viewsets.ModelViewSet[Team]):
    """Teams. Made and removed by site administrators, renamed by their owners as well."""

    queryset = Team.objects.none()
    visible = staticmethod(permissions.teams_visible_to)
    serializer_class = TeamSerializer
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def perform_create(self, serializer: Any) -> None:
        self.only_site_administrators()
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        if not permissions.can_manage_team(self.person(), serializer.instance):
            raise PermissionDenied("Only owners of the team may do that.")
        serializer.save()

    def perform_destroy(self, instance: Team) -> None:
        self.only_site_administrators()
        instance.delete()


class MembershipViewSet(_Rows, viewsets.ModelViewSet[Membership]):
    """Who is in which team, as what. Changed by owners and site administrators; anybody may leave."""

    queryset = Membership.objects.none()
    visible = staticmethod(permissions.memberships_visible_to)
    serializer_class = MembershipSerializer
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def perform_create(self, serializer: Any) -> None:
        data = serializer.validated_data
        self._may_manage(data["team"])
        serializer.instance = services.add_member(data["team"], data["user"], data["role"], by=self.person())

    def perform_update(self, serializer: Any) -> None:
        self._may_manage(serializer.instance.team)
        if "role" in serializer.validated_data:
            services.set_role(serializer.instance, serializer.validated_data["role"], by=self.person())

    def perform_destroy(self, instance: Membership) -> None:
        if instance.user_id != self.person().pk:
            self._may_manage(instance.team)
        services.remove_member(instance, by=self.person())

    def _may_manage(self, team: Team) -> None:
        if not permissions.can_manage_team(self.person(), team):
            raise PermissionDenied("Only owners of the team may do that.")


class InvitationViewSet(_Rows, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin):
    """Invitations of the teams one owns; all of them for site administrators. The link is in the reply to POST only."""

    queryset = Invitation.objects.none()
    visible = staticmethod(permissions.invitations_visible_to)
    serializer_class = InvitationSerializer

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return NewInvitationSerializer if self.action == "create" else InvitationSerializer

    @extend_schema(request=NewInvitationSerializer, responses={201: NewInvitationSerializer})
    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        by = self.person()
        if data.get("site_administrator") or not permissions.can_manage_team(by, data.get("team")):
            self.only_site_administrators()
        row, token = invitations.create(by=by, **data)
        link = invitations.link(request._request, token)
        return Response(InvitationSerializer(row).data | {"link": link}, status=status.HTTP_201_CREATED)


class ManagementKeyViewSet(_Rows, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin):
    """One's own management keys (site administrators see and stop all). The key is in the reply to POST only."""

    queryset = ManagementKey.objects.none()
    visible = staticmethod(permissions.management_keys_visible_to)
    serializer_class = ManagementKeySerializer

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return NewManagementKeySerializer if self.action == "create" else ManagementKeySerializer

    @extend_schema(request=NewManagementKeySerializer, responses={201: NewManagementKeySerializer})
    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        self._no_more_than_the_caller(request, data)
        row, text = management_keys.create(self.person(), data["name"], data["scopes"], data.get("expires_at"))
        return Response(ManagementKeySerializer(row).data | {"key": text}, status=status.HTTP_201_CREATED)

    @extend_schema(request=ManagementKeySerializer, responses=ManagementKeySerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Only ``name``, and ``enabled`` to false: what was stopped stays stopped."""
        key = self.get_object()
        change = self.get_serializer(key, data=request.data, partial=True)
        change.is_valid(raise_exception=True)
        if change.validated_data.get("enabled") and not key.enabled:
            raise ValidationError({"enabled": ["A disabled key stays disabled; make a new one."]})
        change.save()
        return Response(change.data)

    def _no_more_than_the_caller(self, request: Request, data: dict[str, Any]) -> None:
        """A key cannot make a stronger or longer-lived one than itself."""
        if set(data["scopes"]) - scopes_of(request):
            raise PermissionDenied("A key cannot give scopes it does not have.")
        if isinstance(request.auth, ManagementKey) and request.auth.expires_at is not None:
            ends = data.get("expires_at")
            if ends is None or ends > request.auth.expires_at:
                raise PermissionDenied("A key cannot make one that outlives it.")


routes: list[tuple[str, type[viewsets.GenericViewSet[Any]]]] = [
    ("users", UserViewSet),
    ("teams", TeamViewSet),
    ("memberships", MembershipViewSet),
    ("invitations", InvitationViewSet),
    ("management-keys", ManagementKeyViewSet),
]
