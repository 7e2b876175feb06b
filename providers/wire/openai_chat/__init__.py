"""OpenAI Chat Completions, and its ancestor Completions.

``passing`` is the pass-through for clients and upstreams that both speak it; ``requests``, ``replies`` and ``stream``
translate to and from the canonical types. Source: platform.openai.com/docs/api-reference/chat (2026-11) and the types
of the ``openai`` SDK 3.54.
"""
