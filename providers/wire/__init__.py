"""The core: canonical types and one module per wire format. No Django, no I/O, no clock, no randomness.

Besides the standard library only ``msgspec`` is used, for JSON: parsing is most of what happens here, and the
standard parser costs two to four times as much on agent-sized requests.
"""
