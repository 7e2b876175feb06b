"""What an error report of Django's may hold (the page of DEBUG, mails to administrators): no value of anybody's."""

from __future__ import annotations

from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class Discreet(SafeExceptionReporterFilter):
    """Names stay, values go: what was posted, and the variables of every frame, may be credentials. Under DEBUG, too:
    that page is pasted into issues."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request is not None else {}

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        return {name: f"({type(value).__name__})" for name, value in tb_frame.f_locals.items()}.items()
