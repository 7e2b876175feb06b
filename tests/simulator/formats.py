"""The wire formats the simulator speaks: name → Format. A new one is a module and a row."""

from . import openai_chat
from .types import Format

FORMATS: dict[str, Format] = {"openai_chat": openai_chat.FORMAT}
