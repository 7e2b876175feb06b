"""Gemini generateContent.

``requests`` reads a client's body and writes one for an upstream (``contents`` and ``config`` are its halves coming
in, ``turns`` and ``options`` going out), ``replies`` and ``stream`` do the same for answers, ``counting`` for
``countTokens``. A client that streams without ``alt=sse`` gets one JSON array: :class:`stream.ArrayWriter`. Sources:
ai.google.dev/api/generate-content (2026-11) and the types of the ``google-genai`` SDK 3.4.
"""
