"""OpenAI Responses.

``requests`` (with ``items`` and ``tools``) reads and writes what is asked, ``replies`` and ``stream`` what is answered,
``errors`` what went wrong. Source: platform.openai.com/docs/api-reference/responses (2026-11) and the types of the
``openai`` SDK 3.54.
"""
