"""Everything of a request that is no message → Gemini's system text, tools and ``generationConfig``."""

from __future__ import annotations

from typing import Final

from providers.wire import customtools
from providers.wire.gemini import thinking
from providers.wire.schema import to_gemini
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names, json_text
from providers.wire.types import HostedTool, Json, Output, Request, Tool, ToolChoice

FAMILY = "gemini"
MOST_STOPS: Final = 5
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "one": "ANY"}
TIERS = {"flex": "flex", "priority": "priority", "standard": "standard", "fast": "priority"}
SAMPLING = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}  # fmt: skip
DEFAULT_TIERS = ("", "auto", "default", "standard_only", "unspecified")
HOSTED: dict[str, dict[str, Json]] = {"web_search": {"googleSearch": {}}, "code": {"codeExecution": {}}}
NEEDS = {"web_search": "web_search"}  # capability that a tool of another vendor's must find
# Keywords whose loss changes nothing a model would do.
HARMLESS = frozenset(
    ("$schema", "$id", "$comment", "$anchor", "additionalProperties", "examples", "deprecated", "readOnly", "writeOnly",
     "format", "strict", "$defs", "definitions", "unevaluatedProperties", "contentMediaType", "contentEncoding")
)  # fmt: skip
JSON_ONLY: Final = "Answer with one JSON value and nothing else: no code fence, no explanation."


class Options:
    """One run over one request. What cannot be said is noted in ``dropped``."""

    __slots__ = ("_dropped", "_names", "_own", "_request", "_traits")

    def __init__(self, request: Request, traits: Traits, names: Names, dropped: Dropped) -> None:
        self._request, self._traits, self._names, self._dropped = request, traits, names, dropped
        self._own = request.family == FAMILY and traits.family in ("", FAMILY)

    # -- system --------------------------------------------------------------------------------------------------------
    def system(self) -> tuple[str, ...]:
        texts = tuple(text.text for text in self._request.system if text.text)
        output = self._request.output
        if output is None or output.kind == "text" or self._formatted(output):
            return texts
        self._dropped.add("output")
        schema = f" It must match this JSON Schema: {json_text(output.schema)}" if output.schema is not None else ""
        return (*texts, JSON_ONLY + schema)

    def _formatted(self, output: Output) -> bool:
        """Whether the format itself says the output. Gemini up to 2.5 refuses it together with functions,
        which a client of its own knows."""
        if self._own:
            return True
        if self._traits.thinking == "budget" and any(isinstance(tool, Tool) for tool in self._request.tools):
            return False
        return output.kind != "json_schema" or self._traits.can("json_schema")

    # -- tools ---------------------------------------------------------------------------------------------------------
    def tools(self) -> dict[str, Json]:
        """``tools`` and ``toolConfig``."""
        made: dict[str, Json] = {}
        config: dict[str, Json] = {}
        declared = self._declared()
        tools: list[dict[str, Json]] = [{"functionDeclarations": declared}] if declared else []
        tools += self._hosted(bool(declared))
        if tools:
            made["tools"] = tools
        if declared and self._request.tool_choice is not None:
            config["functionCallingConfig"] = self._choice(self._request.tool_choice)
        own = self._request.extra.get("toolConfig") if self._own else None
        if isinstance(own, dict):
            config = {**own, **config}
        if self._request.parallel_tools is False:
            self._dropped.add("parallel_tools")
        return made | ({"toolConfig": config} if config else {})

    def _declared(self) -> list[dict[str, Json]]:
        tools = [tool for tool in self._request.tools if isinstance(tool, Tool)]
        if tools and not self._traits.can("tools"):
            self._dropped.add("tools")
            return []
        made: dict[str, dict[str, Json]] = {}
        for tool in tools:
            declared = self._declaration(tool)
            if declared["name"] in made:
                self._dropped.add(f"tools.{tool.name}")  # Gemini refuses two of one name
            made.setdefault(declared["name"], declared)
        return list(made.values())

    def _declaration(self, tool: Tool) -> dict[str, Json]:
        if tool.custom:
            self._names.wrapped.add(tool.name)
            tool = customtools.wrap(tool)
        made: dict[str, Json] = {"name": self._names.send(tool.name, tool.namespace)}
        if tool.description:
            made["description"] = tool.description
        if tool.schema is not None:
            self._parameters(tool.schema, made)
        return made

    def _parameters(self, schema: Json, made: dict[str, Json]) -> None:
        subset = self._subset(schema, "tools")
        if subset is None:
            made["parametersJsonSchema"] = schema
        elif subset.get("properties") or subset.get("anyOf"):
            made["parameters"] = subset

    def _subset(self, schema: Json, where: str) -> dict[str, Json] | None:
        """The schema in the subset, which is taken everywhere; None when it goes as JSON Schema: where the catalogue
        says that it is taken, and where a client of Gemini's own wrote what the subset cannot say."""
        capabilities = self._traits.capabilities
        if capabilities is not None and "json_schema_tools" in capabilities:
            return None
        subset, every = to_gemini(schema)
        lost = [key for key in every if key not in HARMLESS]
        if lost and self._own:
            return None
        for key in lost:
            self._dropped.add(f"{where}.{key}"[:80])
        return subset if isinstance(subset, dict) else {}

    def _hosted(self, functions: bool) -> list[dict[str, Json]]:
        """Tools that Google runs. Another vendor's go by what they do, but not beside functions: most models refuse."""
        made: list[dict[str, Json]] = []
        for tool in self._request.tools:
            if not isinstance(tool, HostedTool):
                continue
            same = HOSTED.get(tool.intent)
            if tool.family == FAMILY and self._traits.family in ("", FAMILY) and isinstance(tool.value, dict):
                made.append(tool.value)
            elif same is not None and not functions and self._traits.can(NEEDS.get(tool.intent, "tools")):
                made.append(same)
            else:
                self._dropped.add(f"tools.{_kind(tool)}"[:80])
        return made

    def _choice(self, choice: ToolChoice) -> dict[str, Json]:
        made: dict[str, Json] = {"mode": MODES.get(choice.mode, "AUTO")}
        if choice.names and choice.mode != "none":
            spaces = {tool.name: tool.namespace for tool in self._request.tools if isinstance(tool, Tool)}
            made["allowedFunctionNames"] = [self._names.send(name, spaces.get(name, "")) for name in choice.names]
            if choice.mode == "auto":
                made["mode"] = "VALIDATED"  # names are refused with AUTO
        return made

    # -- generationConfig ----------------------------------------------------------------------------------------------
    def generation(self) -> dict[str, Json]:
        request = self._request
        own = request.extra.get("generationConfig") if self._own else None
        made: dict[str, Json] = dict(own) if isinstance(own, dict) else {}
        said = self._sampling() | {
            "candidateCount": request.n,
            "maxOutputTokens": self._max_tokens(),
            "stopSequences": self._stops(),
            "seed": request.seed,
            "responseLogprobs": request.logprobs,
            # How many of what is not wanted: refused alone.
            "logprobs": request.top_logprobs if request.logprobs or self._own else None,
            "responseModalities": self._modalities(),
        }
        made |= {name: value for name, value in said.items() if value is not None}
        if request.output is not None and self._formatted(request.output):
            made |= self._output(request.output)
        wanted = thinking.config(request, self._traits, self._dropped)
        return made | ({"thinkingConfig": wanted} if wanted else {})

    def _sampling(self) -> dict[str, Json]:
        request = self._request
        said = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "presence_penalty": request.presence_penalty,
            "frequency_penalty": request.frequency_penalty,
        }
        if not self._traits.sampling:
            self._dropped.unless_empty(**said)
            return {}
        return {SAMPLING[name]: value for name, value in said.items()}

    def _max_tokens(self) -> int | None:
        asked, most = self._request.max_tokens, self._traits.max_output
        return min(asked, most) if asked is not None and most else asked

    def _stops(self) -> list[str] | None:
        limit = self._traits.stop_limit or MOST_STOPS
        stops = [stop for stop in self._request.stop if stop]
        if len(stops) > limit:
            self._dropped.add("stop")
        return stops[:limit] or None

    def _modalities(self) -> list[str] | None:
        wanted = self._request.modalities
        if not wanted or (wanted == ("text",) and not self._own):
            return None
        return [word.upper() for word in wanted]

    def _output(self, output: Output) -> dict[str, Json]:
        if output.kind == "text":
            return {}
        made: dict[str, Json] = {"responseMimeType": "application/json"}
        if output.kind != "json_schema" or output.schema is None:
            return made
        subset = self._subset(output.schema, "output")
        return made | ({"responseJsonSchema": output.schema} if subset is None else {"responseSchema": subset})

    # -- the rest ------------------------------------------------------------------------------------------------------
    def top_level(self) -> dict[str, Json]:
        request = self._request
        made: dict[str, Json] = {}
        if request.safety is not None:
            made["safetySettings"] = request.safety
        if self._own:
            made |= {
                key: value for key, value in request.extra.items() if key not in ("generationConfig", "toolConfig")
            }
            if request.store is not None:
                made["store"] = request.store
        elif request.family != FAMILY:
            for name in request.extra:
                self._dropped.add(name)
        tier = request.service_tier.lower()
        if tier in TIERS:
            made["serviceTier"] = TIERS[tier]
        elif tier not in DEFAULT_TIERS:
            self._dropped.add("service_tier")
        self._dropped.unless_empty(
            logit_bias=request.logit_bias,
            verbosity=request.verbosity,
            user=request.user,
            metadata=request.metadata,
            cache_key=request.cache_key,
            previous_id=request.previous_id,
        )
        return made


def _kind(tool: HostedTool) -> str:
    kind = tool.value.get("type") if isinstance(tool.value, dict) else None
    return kind if isinstance(kind, str) else tool.intent
