"""The 30 languages, a row each: Django's code, the language's own name, the direction of its script."""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    code: str
    own_name: str
    rtl: bool = False


LANGUAGES = (
    Language("ar", "العربية", rtl=True),
    Language("bg", "Български"),
    Language("da", "Dansk"),
    Language("de", "Deutsch"),
    Language("en", "English"),
    Language("es", "Español"),
    Language("fi", "Suomi"),
    Language("fil", "Filipino"),
    Language("fr", "Français"),
    Language("he", "עברית", rtl=True),
    Language("hi", "हिन्दी"),
    Language("hu", "Magyar"),
    Language("id", "Bahasa Indonesia"),
    Language("it", "Italiano"),
    Language("ja", "日本語"),
    Language("ko", "한국어"),
    Language("ms", "Bahasa Melayu"),
    Language("nb", "Norsk"),
    Language("nl", "Nederlands"),
    Language("pl", "Polski"),
    Language("pt", "Português"),
    Language("pt-br", "Português (Brasil)"),
    Language("ro", "Română"),
    Language("ru", "Русский"),
    Language("sk", "Slovenčina"),
    Language("sv", "Svenska"),
    Language("th", "ไทย"),
    Language("uk", "Українська"),
    Language("vi", "Tiếng Việt"),
    Language("zh-hans", "简体中文"),
)


def describe_to_django(lang_info: dict[str, dict[str, object]]) -> None:
    """Add what Django's own table lacks (Filipino raises KeyError in it), once, before any language is used."""
    for code, own_name, rtl in LANGUAGES:
        if code not in lang_info:
            lang_info[code] = {"bidi": rtl, "code": code, "name": own_name, "name_local": own_name}
