"""Rules for addresses: which may ask, which may not, and until when."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from routing.forms.addresses import IpRuleForm
from routing.models import GatewaySettings, IpRule


@login_required
@permission_required("routing.view_iprule", raise_exception=True)
def rule_list(request: HttpRequest) -> HttpResponse:
    """What the mode makes of them, all rules, and a form for one more."""
    may_add = request.user.has_perm("routing.add_iprule")
    form = IpRuleForm(request.POST or None) if may_add else None
    if form is not None and form.is_valid():
        row = form.save()
        messages.success(request, _("The rule for %(name)s is saved; it holds within a second.") % {"name": row})
        return redirect("routing:addresses")
    context = {"rules": IpRule.objects.all(), "form": form, "settings": GatewaySettings.load(), "now": timezone.now()}
    return render(request, "routing/addresses.html", context)


@require_POST
@login_required
@permission_required("routing.delete_iprule", raise_exception=True)
def rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(IpRule, pk=pk)
    row.delete()
    messages.success(request, _("The rule for %(name)s is deleted.") % {"name": row})
    return redirect("routing:addresses")
