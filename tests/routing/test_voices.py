"""Speech and transcription of vendors with shapes of their own, through the running gateway and over real sockets."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any

import httpx
import openai
import pytest

from routing.gateway import following
from tests.providers.proxying import ProxyServer
from tests.simulator.vendor import Vendor
from tests.simulator.voices import HEARD, SECONDS, SOUND, Voices

SPEECH = {
    "deepgram": ("aura-asteria-en", "any", "/speak?model=aura-asteria-en&encoding=mp3"),
    "elevenlabs": ("eleven_multilingual_v2", "v/1", "/text-to-speech/v%2F1?output_format=mp3_44100_128"),
    "hyperbolic": ("melo-tts", "EN-US", "/audio/generation"),
    "gemini": ("a-tts", "Kore", "/models/a-tts:generateContent"),
}
TRANSCRIPTION = {"deepgram": "nova-3", "assemblyai": "best"}
RECORDING = ("a.wav", SOUND, "audio/wav")
SRT = """1
00:00:00,100 --> 00:00:00,900
Hello there.

2
00:00:01,000 --> 00:00:01,900
How are you?

"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSES", (0.01,))


@pytest.fixture
def voices() -> Voices:
    return Voices()


@pytest.fixture
def vendor(voices: Voices) -> Iterator[Vendor]:
    with Vendor(voices) as made:
        yield made


def transcribe(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    files = {"file": RECORDING}
    return client.post("/v1/audio/transcriptions", data={"model": model, **fields}, files=files)


# -- speech -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("id", "model", "voice", "target"), [(id, *row) for id, row in SPEECH.items()])
def test_speech(vendors: Any, vendor: Vendor, gateway: Any, id: str, model: str, voice: str, target: str) -> None:
    sdk = vendors.connect(id, vendor.url).chat
    reply = sdk.audio.speech.create(model=f"{id}/{model}", voice=voice, input="Hello there")
    sound = reply.content[44:] if id == "gemini" else reply.content
    assert sound == SOUND
    assert reply.response.headers["content-type"] == ("audio/wav" if id == "gemini" else "audio/mpeg")
    [seen] = vendor.seen
    assert seen.target == target
    said = seen.json
    assert (said["contents"][0]["parts"][0] if id == "gemini" else said)["text"] == "Hello there"
    if id == "elevenlabs":
        assert said["model_id"] == model
    [row] = gateway.records(1)
    assert (row.operation, row.result, row.provider, row.model) == ("speech", "ok", id, model)
    assert row.dropped == ("voice" if id == "deepgram" else "")
    assert row.cost_usd == (Decimal(11) * 180 / 10**6 if id == "elevenlabs" else None)


def test_what_a_vendor_cannot_be_told_is_dropped_and_recorded(vendors: Any, vendor: Vendor, gateway: Any) -> None:
    sdk = vendors.connect("gemini", vendor.url).chat
    asked: dict[str, Any] = {"voice": "alloy", "speed": 1.5, "instructions": "Be kind.", "response_format": "pcm"}
    raw = sdk.audio.speech.with_raw_response.create(model="gemini/a-tts", input="Hello", **asked)
    assert raw.content == SOUND and raw.headers["content-type"] == "audio/pcm"
    assert set(raw.headers["x-omniroute-dropped"].split(",")) == {"voice", "speed", "instructions"}
    assert vendor.seen[0].json["generationConfig"] == {"responseModalities": ["AUDIO"]}
    [row] = gateway.records(1)
    assert row.dropped == raw.headers["x-omniroute-dropped"]
    assert (row.input_tokens, row.output_tokens) == (4, 250)


def test_the_header_of_a_wav_tells_what_is_in_it(vendors: Any, vendor: Vendor) -> None:
    sdk = vendors.connect("gemini", vendor.url).chat
    sound = sdk.audio.speech.create(model="gemini/a-tts", voice="Kore", input="Hello", response_format="wav").content
    form, channels, rate, second, frame, bits = struct.unpack("<HHIIHH", sound[20:36])
    assert (sound[:4], sound[8:16], form, channels, bits, frame) == (b"RIFF", b"WAVEfmt ", 1, 1, 16, 2)
    assert (rate, second) == (24_000, 48_000)
    assert struct.unpack("<I", sound[4:8])[0] == len(sound) - 8 and struct.unpack("<I", sound[40:44])[0] == len(SOUND)
    config = vendor.seen[0].json["generationConfig"]
    assert config["speechConfig"] == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}


@pytest.mark.parametrize(
    ("form", "query"),
    [
        ("wav", "encoding=linear16&container=wav&sample_rate=24000"),
        ("pcm", "encoding=linear16&container=none&sample_rate=24000"),
        ("opus", "encoding=opus"),
        ("flac", "encoding=flac"),
        ("aac", "encoding=aac"),
    ],
)
def test_formats_of_deepgram(vendors: Any, vendor: Vendor, form: str, query: str) -> None:
    client = vendors.connect("deepgram", vendor.url).http
    asked = {"model": "deepgram/aura-luna-en", "input": "Hello", "response_format": form}
    assert client.post("/v1/audio/speech", json=asked).content == SOUND
    assert vendor.seen[0].target == f"/speak?model=aura-luna-en&{query}"


@pytest.mark.parametrize(
    ("id", "fields", "param"),
    [
        ("elevenlabs", {"voice": "Alloy"}, "voice"),
        ("elevenlabs", {}, "voice"),
        ("elevenlabs", {"voice": "v1", "response_format": "aac"}, "response_format"),
        ("hyperbolic", {"voice": "EN-US", "response_format": "wav"}, "response_format"),
        ("gemini", {"response_format": "mp3"}, "response_format"),
        ("deepgram", {"response_format": "ogg"}, "response_format"),
        ("deepgram", {"stream_format": "sse"}, "stream_format"),
    ],
)
def test_what_would_be_another_answer_is_refused_by_name(
    vendors: Any, vendor: Vendor, gateway: Any, id: str, fields: dict[str, str], param: str
) -> None:
    client = vendors.connect(id, vendor.url).http
    reply = client.post("/v1/audio/speech", json={"model": f"{id}/{SPEECH[id][0]}", "input": "Hello", **fields})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert gateway.records(1)[0].result == "refused" and not vendor.seen


def test_a_filter_at_gemini_is_told_as_one(vendors: Any, vendor: Vendor, gateway: Any) -> None:
    client = vendors.connect("gemini", vendor.url).http
    reply = client.post("/v1/audio/speech", json={"model": "gemini/a-tts", "input": "forbidden"})
    assert reply.status_code >= 400 and reply.json()["error"]["code"] == "content_filter"
    assert gateway.records(1)[0].attempts[0]["kind"] == "content_filter"


def test_a_wrong_key_is_told_and_not_shown(vendors: Any, vendor: Vendor, gateway: Any) -> None:
    for id, (model, voice, _) in SPEECH.items():
        client = vendors.connect(id, vendor.url, secret="another-secret").http
        reply = client.post("/v1/audio/speech", json={"model": f"{id}/{model}", "input": "Hello", "voice": voice})
        assert reply.status_code >= 400 and "another-secret" not in reply.text
    assert {row.attempts[0]["kind"] for row in gateway.records(len(SPEECH))} == {"auth", "permission"}


# -- transcription ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("id", "model"), TRANSCRIPTION.items())
def test_a_transcript(vendors: Any, vendor: Vendor, gateway: Any, id: str, model: str) -> None:
    sdk = vendors.connect(id, vendor.url).chat
    raw = sdk.audio.transcriptions.with_raw_response.create(
        model=f"{id}/{model}", file=RECORDING, prompt="Names", temperature=0
    )
    assert raw.parse().text == HEARD
    assert raw.headers["x-omniroute-dropped"] == "prompt,temperature"
    assert (vendor.seen[0].body, vendor.seen[0].headers["content-type"]) == (SOUND, "audio/wav")
    [row] = gateway.records(1)
    assert (row.operation, row.result, row.model) == ("transcription", "ok", model)
    price = {"deepgram": Decimal("0.0043"), "assemblyai": Decimal("0.002")}[id]
    assert row.cost_usd == (price * Decimal(str(SECONDS)) / 60).quantize(row.cost_usd)
    assert Decimal(raw.headers["x-omniroute-cost-usd"]).quantize(row.cost_usd) == row.cost_usd


def test_what_deepgram_is_asked(vendors: Any, vendor: Vendor) -> None:
    client = vendors.connect("deepgram", vendor.url).http
    assert transcribe(client, "deepgram/nova-3", language="pt-BR", response_format="text").text == f"{HEARD}\n"
    assert transcribe(client, "deepgram/nova-2").json()["usage"] == {"type": "duration", "seconds": SECONDS}
    readable = "smart_format=true&punctuate=true"
    assert [seen.target for seen in vendor.seen] == [
        f"/listen?model=nova-3&language=pt-BR&{readable}",
        f"/listen?model=nova-2&detect_language=true&{readable}",
    ]


def test_what_assemblyai_is_asked(vendors: Any, vendor: Vendor, voices: Voices) -> None:
    client = vendors.connect("assemblyai", vendor.url).http
    assert transcribe(client, "assemblyai/universal-2", language="de").json()["text"] == HEARD
    assert [(seen.method, seen.target) for seen in vendor.seen] == [
        ("POST", "/upload"), ("POST", "/transcript"), ("GET", "/transcript/t-1"), ("GET", "/transcript/t-1"),
    ]  # fmt: skip
    assert voices.orders == [
        {
            "audio_url": f"https://cdn.invalid/upload/{len(SOUND)}",
            "speech_models": ["universal-2"],
            "language_code": "de",
        }
    ]


def test_a_recording_elsewhere_is_fetched_by_the_vendor(vendors: Any, vendor: Vendor, voices: Voices) -> None:
    client = vendors.connect("assemblyai", vendor.url).http
    asked = {"model": (None, "assemblyai/best"), "url": (None, "https://files.invalid/a.wav")}
    assert client.post("/v1/audio/transcriptions", files=asked).json()["text"] == HEARD
    assert voices.orders[0] | {"language_detection": True} == voices.orders[0]
    assert voices.orders[0]["audio_url"] == "https://files.invalid/a.wav" and vendor.seen[0].target == "/transcript"


@pytest.mark.parametrize(
    ("format", "kind", "text"),
    [
        ("text", "text/plain; charset=utf-8", f"{HEARD}\n"),
        ("srt", "text/plain; charset=utf-8", SRT),
        (
            "vtt",
            "text/plain; charset=utf-8",
            "WEBVTT\n\n" + SRT.replace("1\n00", "00").replace("2\n00", "00").replace(",", "."),
        ),
    ],
)
def test_times_become_subtitles(vendors: Any, vendor: Vendor, format: str, kind: str, text: str) -> None:
    client = vendors.connect("assemblyai", vendor.url).http
    reply = transcribe(client, "assemblyai/best", response_format=format)
    assert (reply.text, reply.headers["content-type"]) == (text, kind)


def test_the_long_answer(vendors: Any, vendor: Vendor, gateway: Any) -> None:
    sdk = vendors.connect("assemblyai", vendor.url).chat
    said = sdk.audio.transcriptions.create(
        model="assemblyai/best",
        file=RECORDING,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (said.text, said.language, said.duration) == (HEARD, "en", SECONDS)
    assert said.segments is not None and said.words is not None
    assert [(it.id, it.start, it.end, it.text) for it in said.segments] == [
        (0, 0.1, 0.9, "Hello there."),
        (1, 1.0, 1.9, "How are you?"),
    ]
    assert [(it.word, it.start) for it in said.words][:2] == [("Hello", 0.1), ("there.", 0.45)]
    assert gateway.records(1)[0].dropped == ""


@pytest.mark.parametrize(("id", "model"), TRANSCRIPTION.items())
def test_who_reads_a_stream_gets_one(vendors: Any, vendor: Vendor, gateway: Any, id: str, model: str) -> None:
    sdk = vendors.connect(id, vendor.url).chat
    events = list(sdk.audio.transcriptions.create(model=f"{id}/{model}", file=RECORDING, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[1].text == HEARD
    [row] = gateway.records(1)
    assert row.result == "ok" and row.cost_usd and row.dropped == ""


@pytest.mark.parametrize(
    ("id", "fields", "param"),
    [
        ("deepgram", {"response_format": "srt"}, "response_format"),
        ("deepgram", {"response_format": "verbose_json"}, "response_format"),
        ("assemblyai", {"response_format": "diarized_json"}, "response_format"),
    ],
)
def test_a_transcript_that_cannot_be_is_refused_by_name(
    vendors: Any, vendor: Vendor, id: str, fields: dict[str, str], param: str
) -> None:
    client = vendors.connect(id, vendor.url).http
    reply = transcribe(client, f"{id}/{TRANSCRIPTION[id]}", **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert not vendor.seen


@pytest.mark.parametrize("id", ["deepgram", "assemblyai"])
def test_a_recording_that_nobody_can_fetch_is_refused(vendors: Any, vendor: Vendor, id: str) -> None:
    client = vendors.connect(id, vendor.url).http
    address = "file:///etc/passwd" if id == "assemblyai" else "https://files.invalid/a.wav"
    asked = {"model": (None, f"{id}/{TRANSCRIPTION[id]}"), "url": (None, address)}
    reply = client.post("/v1/audio/transcriptions", files=asked)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "url") and not vendor.seen


# -- failures and patience --------------------------------------------------------------------------------------------
BAD = {
    "429": (429, {"error": "Too many requests"}),
    "500": (500, {"err_msg": "Oops"}),
    "a page": (200, b"<html></html>"),
    "nothing": (200, b""),
    "broken JSON": (200, b'{"results": '),
    "another object": (200, {"ok": True}),
    "no text": (200, {"results": {"channels": [{"alternatives": []}]}}),
    "failed work": (200, {"id": "t-1", "status": "error", "error": "It cannot be read."}),
    "an id that is a path": (200, {"id": "../../etc", "status": "queued"}),
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("id", TRANSCRIPTION)
def test_the_next_step_answers_when_one_fails(
    vendors: Any, vendor: Vendor, voices: Voices, gateway: Any, id: str, wrong: Any
) -> None:
    """The failing vendor is asked by the same combo before the other."""
    from routing.models import Combo, ComboStep

    other = "assemblyai" if id == "deepgram" else "deepgram"
    vendors.connect(id, vendor.url)
    client = vendors.connect(other, vendor.url).http
    combo = Combo.objects.create(name="both")
    for number, each in enumerate((id, other), start=1):
        ComboStep.objects.create(combo=combo, position=number, model=f"{each}/{TRANSCRIPTION[each]}")
    gateway.settle()
    voices.before.append(wrong)
    reply = transcribe(client, "both")
    assert reply.json()["text"] == HEARD
    assert (reply.headers["x-omniroute-provider"], reply.headers["x-omniroute-attempts"]) == (other, "2")
    [row] = gateway.records(1)
    assert row.attempts[0]["kind"] not in ("ok", "bad_request") and row.provider == other


def test_a_question_that_fails_in_passing_is_asked_again(vendors: Any, gateway: Any) -> None:
    voices, looks = Voices(looks=1), iter([(503, {"error": "busy"}), (429, {"error": "slower"})])

    def flaky(seen: Any) -> Any:
        return (seen.method == "GET" and next(looks, None)) or voices(seen)

    with Vendor(flaky) as vendor:
        client = vendors.connect("assemblyai", vendor.url).http
        assert transcribe(client, "assemblyai/best").json()["text"] == HEARD
        assert len(vendor.at("/transcript/t-1")) == 3 and len(vendor.at("/transcript")) == 1
    [row] = gateway.records(1)
    assert [each["kind"] for each in row.attempts] == ["ok"]


def test_work_that_takes_too_long_is_given_up(vendors: Any, vendor: Vendor, voices: Voices, limits: Any) -> None:
    from providers.transport.base import Timeouts

    voices.looks = 10**6
    client = vendors.connect("assemblyai", vendor.url).http
    limits(whole=Timeouts(connect=5, write=5, first_byte=0.3, idle=5))
    reply = transcribe(client, "assemblyai/best")
    assert reply.status_code >= 500 and "in time" in reply.json()["error"]["message"]


def test_the_limit_of_the_whole_request_holds(vendors: Any, vendor: Vendor, voices: Voices, limits: Any) -> None:
    voices.looks = 10**6
    client = vendors.connect("assemblyai", vendor.url).http
    limits(total_seconds=0.5)
    reply = transcribe(client, "assemblyai/best")
    assert reply.status_code >= 500 and "longer than the gateway allows" in reply.json()["error"]["message"]


def test_nobody_asks_on_when_the_client_has_left(vendors: Any, gateway: Any) -> None:
    gate = threading.Event()
    voices = Voices(looks=10**6, gate=gate)
    with Vendor(voices) as vendor:
        asking = vendors.connect("assemblyai", vendor.url).http.build_request(
            "POST", "/v1/audio/transcriptions", data={"model": "assemblyai/best"}, files={"file": RECORDING}
        )
        client = HTTPConnection(asking.url.host, asking.url.port, timeout=10)
        with contextlib.closing(client):
            client.request("POST", asking.url.path, asking.read(), dict(asking.headers))
            assert voices.asked.wait(10)
        [row] = gateway.records(1)
        gate.set()
        assert row.result == "client_gone"
        assert len(vendor.at("/transcript/t-1")) == 1


def test_everything_goes_through_the_connections_proxy(vendors: Any, vendor: Vendor, gateway: Any) -> None:
    """The vendor has a name that only the proxy knows."""
    from providers import proxies
    from providers.models import Connection

    client = vendors.connect("assemblyai", "http://assemblyai.example").http
    with ProxyServer(int(vendor.url.rpartition(":")[2]), "socks5") as server:
        row = Connection.objects.get(provider_id="assemblyai")
        proxies.choose(row, server.url)
        row.save()
        gateway.settle()
        assert transcribe(client, "assemblyai/best").json()["text"] == HEARD
        assert set(server.asked) == {"assemblyai.example:80"} and len(vendor.seen) == 4


def test_an_operators_own_provider_may_have_a_shape(
    gateway: Any, vendor: Vendor, make_provider: Any, make_key: Any, patient: None
) -> None:
    make_provider(
        "acme",
        vendor.url,
        models=("nova-9",),
        keys=("a-secret",),
        operations={"transcription": "/listen"},
        overrides={"auth": "token", "shapes": {"transcription": "deepgram"}},
    )
    key = make_key()
    gateway.settle()
    with openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0) as sdk:
        assert sdk.audio.transcriptions.create(model="acme/nova-9", file=RECORDING).text == HEARD
    assert vendor.seen[0].target.startswith("/listen?model=nova-9&detect_language=true")
