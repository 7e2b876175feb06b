"""What vendors' words tell of whose fault a failure is: patterns → Kind, the first that is found."""

from __future__ import annotations

import re

from providers.wire.errors import Kind

_A_MODEL = r"(?:(?:this|the|that|your|certain|some|selected|requested) ){0,3}models?\b"
_ABILITIES = (
    r"(?:tools?|tool[ _](?:use|calls?|calling|choice)|function calling|images?|image[ _](?:input|url)s?|audio|video"
    r"|thinking|reasoning|streaming|json mode|structured outputs?|response_format)"
)
_ONE_MODEL = r"(?:(?:the|this|that|requested|specified|selected) ){0,2}model\b"
_ACCOUNT = r"(?:your|this) (?:\w+ )?(?:account|organi[sz]ation|workspace|project|team|plan|tier|subscription|key)\b"
_MAX_TOKENS = r"max_(?:completion_|output_)?tokens"

# Words that tell more than a 400 does. Only failures that blame the model or the account move on to the next one; a
# word that a vendor may as well say of a parameter must be of a kind that rests nothing, or one request rests a
# connection for everybody. Whose words they are is not ours to trust: possessive and bounded repetitions keep a search
# linear.
BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    # What this account may not use, or not do with what it uses: another account of the same provider may.
    (
        re.compile(
            rf"(?:(?:not|n['’]t) (?:have|include)|\b(?:no|without|lacks?)) access to {_ONE_MODEL}"
            rf"|(?:not|n['’]t) (?:allowed|authori[sz]ed|permitted) to (?:access|use) {_ONE_MODEL}"
            rf"|not entitled to\b.{{0,40}}\bmodel\b|must be verified to use {_ONE_MODEL}|\bmodel access is denied\b"
            r"|\bon resource:? ['\"]?[^\s'\"]{0,300}?(?:/models/|foundation-model/|inference-profile/)",
            re.I,
        ),
        Kind.MODEL,
    ),
    (
        re.compile(
            rf"\bmust be verified to\b|\b(?:{_ABILITIES}|beta|feature|parameter)\b[^.:;]{{0,60}}?(?: not|n['’]t)"
            r" (?:yet |currently )?(?:supported|enabled|available|allowed|permitted|included) (?:with|by|on|for|in|to)"
            rf" {_ACCOUNT}|\b{_ACCOUNT} (?:does|do)(?: not|n['’]t) (?:support|include|allow) {_ABILITIES}\b"
            rf"|\bcan only afford \d|\bor fewer {_MAX_TOKENS}\b",  # OpenRouter's 402: a shorter answer would be paid
            re.I,
        ),
        Kind.UNENTITLED,
    ),
    (
        re.compile(
            r"(maximum|max) (context|prompt|input) length|context (window|length of|size)|prompt is too long"
            r"|too many tokens|token count.{0,40}exceeds|reduce the length of the (messages|prompt|input)",
            re.I,
        ),
        Kind.CONTEXT_LENGTH,
    ),
    # What this model cannot do, and another one may. Before MODEL: "not a chat model and thus not supported in …".
    (
        re.compile(
            r"(?<!schema )\b(?:does|do)(?: not|n['’]t) (?:currently |yet )?support\b"
            rf"|\b(?:un|not |n['’]t )(?:supported|enabled|available|allowed|permitted) (?:with|by|on|for|in) {_A_MODEL}"
            rf"|\b(?:{_ABILITIES}|parameters?|throughput)\b[^.:;]{{0,40}}?(?: not|n['’]t) (?:supported|enabled)\b"
            rf"|(?:not|n['’]t) supported (?:for|with|in) (?:{_ABILITIES}|the v1/)"
            rf"|\bdeprecated for {_A_MODEL}|\bonly supported (?:by|with|on|in)\b|unknown variant `?image_url"
            r"|\bmodel only (?:supports|works|accepts)\b|\bmandatory for this (?:model|endpoint)\b"
            r"|\b(?:required for|able to process) (?:image|audio|video|file)s?\b|\bat most \d+ (?:image|audio|video)",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            r"\bnot a (?:chat|completion|multimodal|vision|reasoning) model\b|not accessible via the\b"
            r"|no endpoints found that (?:support|can handle)|requires --(?:jinja|enable-auto-tool-choice)\b",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            rf"{_MAX_TOKENS}.{{0,30}}too (?:large|high|big)"
            rf"|{_MAX_TOKENS}[`'\"]? (?:must|should) be (?:less than|at most)"
            rf"|(?:range of|maximum value for) [`'\"]?{_MAX_TOKENS}|maximum allowed number of output tokens"
            r"|model supports at most|exceeds the model(?:['’]s)? (?:limit|maximum)|but the supported range is",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            r"\bmodels?\b(?:/\S++)?+(?:[\s:=]++\S++){0,2}?\s++(?:(?:is|was|has|been|does|could|currently|be)\s+){0,3}"
            r"(?:not (?:exist|found|supported|available|active|enabled)|unavailable|unsupported"
            r"|decommissioned|deprecated|retired|discontinued|no longer)"
            r"|\b(?:unknown|invalid|no such|unsupported) model\b|not a valid model\b",
            re.I,
        ),
        Kind.MODEL,
    ),
    (
        re.compile(
            r"\b(account|organi[sz]ation|workspace|project)\b( has been| was| is)?( permanently| temporarily)?"
            r" (banned|suspended|deactivated|disabled|terminated|blocked)\b|access has been (revoked|terminated)",
            re.I,
        ),
        Kind.BANNED,
    ),
    (
        re.compile(
            r"insufficient (balance|credit|funds)|credit balance|(billing|spending|spend) (hard )?limit"
            r"|(no|out of|used all) (\w+ )?credits|billing (is )?not active|payment required",
            re.I,
        ),
        Kind.CREDIT,
    ),
    (
        re.compile(
            r"insufficient quota|exceeded your (current|monthly|daily) quota"
            r"|(usage|monthly|weekly|daily) (hard )?limit",
            re.I,
        ),
        Kind.QUOTA,
    ),
    (
        re.compile(
            r"(invalid|incorrect|expired|revoked|missing) (api[ _-]?key|(access|auth|bearer)[ _-]?token|credentials?)\b"
            r"|api[ _-]?key (is |has |was )?(been )?(not valid|not found|invalid|expired|revoked|missing)",
            re.I,
        ),
        Kind.AUTH,
    ),
    # Gemini's 400 for where the request came from: another account's, by another proxy, is served.
    (re.compile(r"user location is not supported|not available in your (?:country|region)\b", re.I), Kind.PERMISSION),
    (
        re.compile(r"\b(?:input|prompt|content|message)s? (?:was|were|ha(?:s|ve) been) flagged\b", re.I),
        Kind.CONTENT_FILTER,
    ),
    (re.compile(r"rate[ _-]?limit|too many requests|requests per (second|minute|day)", re.I), Kind.RATE_LIMITED),
    (re.compile(r"overloaded|(at|over|exceeded) capacity|(server|engine|model) is busy", re.I), Kind.OVERLOADED),
)

# Limits that hold for some models of an account: OpenRouter's for the free ones.
_OF_MODELS = re.compile(r"\bfree-models-per-", re.I)


def by_words(message: str, only: tuple[Kind, ...] | None = None) -> Kind | None:
    """The kind that a vendor's words tell, of ``only`` these where given; None when they tell none."""
    for pattern, kind in BY_WORDS:
        if (only is None or kind in only) and pattern.search(message[:2000]):
            return kind
    return None


def counts_models(message: str) -> bool:
    """Whether a limit that is used up is, by the vendor's words, not one of the whole account."""
    return _OF_MODELS.search(message[:2000]) is not None
