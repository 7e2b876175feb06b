"""Which language a request is answered in: the switcher's cookie, else the browser's wish, else English."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class LanguageMiddleware:
    """As Django's LocaleMiddleware without language prefixes in addresses, and without a thread hop under ASGI."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.answer(request)
        activate(request)
        response = self.get_response(request)
        assert isinstance(response, HttpResponseBase)
        return label(response)

    async def answer(self, request: HttpRequest) -> HttpResponseBase:
        activate(request)
        response = self.get_response(request)
        assert not isinstance(response, HttpResponseBase)
        return label(await response)


def activate(request: HttpRequest) -> None:
    """Make the request's language the current one."""
    translation.activate(translation.get_language_from_request(request))
    request.LANGUAGE_CODE = translation.get_language()


def label(response: HttpResponseBase) -> HttpResponseBase:
    """Tell browsers and caches which language came out and what it depended on."""
    patch_vary_headers(response, ("Accept-Language", "Cookie"))
    response.headers.setdefault("Content-Language", translation.get_language() or "en")
    return response
