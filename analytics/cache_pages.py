"""The caches: what they saved, what they are set to, and away with it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from analytics.savings import savings
from routing import caching
from routing.models import ApiKey, CacheSettings
from routing.snapshot import Caching


class CacheForm(forms.ModelForm):
    class Meta:
        model = CacheSettings
        fields = tuple(Caching.__dataclass_fields__)
        widgets = {"semantic_model": forms.TextInput(attrs={"class": "o-ltr", "spellcheck": "false"})}


class FlushForm(forms.Form):
    """A key or a model; neither: everything."""

    key = forms.ModelChoiceField(
        label=_("Client key"), queryset=ApiKey.objects.all(), required=False, empty_label=_("all keys")
    )
    model = forms.CharField(label=_("Model"), max_length=260, required=False, help_text=_("As clients ask for it."))

    def clean(self) -> None:
        if self.cleaned_data.get("key") and self.cleaned_data.get("model"):
            raise forms.ValidationError(_("Give a key or a model, not both."))


@login_required
@permission_required("routing.view_cachesettings", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    may = request.user.has_perm("routing.change_cachesettings")
    form = CacheForm(request.POST or None if may else None, instance=CacheSettings.load())
    if form.is_valid():
        form.save()
        messages.success(request, _t("The cache's settings are saved; they hold within a second."))
        return redirect("cache:page")
    return render(request, "analytics/cache.html", {"form": form, "flush": FlushForm(), "found": savings(), "may": may})


@login_required
@permission_required("routing.change_cachesettings", raise_exception=True)
@require_POST
def flush(request: HttpRequest) -> HttpResponse:
    form = FlushForm(request.POST)
    if form.is_valid():
        key = form.cleaned_data["key"]
        caching.flush(key=key.pk if key else None, model=form.cleaned_data["model"])
        messages.success(request, _t("The answers are forgotten."))
    else:
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    return redirect("cache:page")
