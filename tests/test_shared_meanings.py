"""Questions compared over two real web processes and a real Redis: asked of one, answered by the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import simulator as sim
from tests.omniroute.programs import ROOT, run
from tests.routing.test_gateway_semantic import EMBEDDINGS, FRANCE, SAME, SPAIN, vendor
from tests.test_shared_job import Pair, serving, until

pytestmark = pytest.mark.services
MORE = """
version: 1
providers:
  - {{id: free, format: openai_chat, base_url: "{url}", allow_private_network: true, models: [large, vectors]}}
cache: {{exact: true, semantic: true, semantic_model: free/vectors, semantic_percent: 90}}
"""


def how(pair: Pair, text: str) -> str:
    reply = pair.ask(messages=[{"role": "user", "content": text}], temperature=0)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-omniroute-cache"]


def kept(pair: Pair) -> int:
    """Questions in Redis: a client has its answer a moment before its question is kept."""
    return sum(pair.client.xlen(name) for name in pair.client.keys("omniroute:meanings:*"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("meanings")
    with serving(folder, migrated_file, 60, str(ROOT / "tests" / "vendors" / "unhurried.py")) as pair:
        pair.upstream.default = vendor
        (folder / "more.yaml").write_text(MORE.format(url=pair.upstream.url))
        done = run(folder / "data", "apply", str(folder / "more.yaml"))
        assert done.returncode == 0, done.stderr
        for number in (0, 1):
            with pair.only(number):
                until(lambda: how(pair, SPAIN) != "bypass")
                until(lambda: kept(pair))
        pair.client.flushall()
        yield pair


def test_what_one_worker_was_asked_the_other_answers_in_other_words(pair: Pair) -> None:
    with pair.only(0):
        assert how(pair, FRANCE) == "miss"
        until(lambda: kept(pair) == 1)
    with pair.only(1):
        assert [how(pair, text) for text in (SAME, SPAIN)] == ["hit", "miss"]
        until(lambda: kept(pair) == 2)
    with pair.only(0):
        assert how(pair, SAME) == "hit"


def test_what_redis_lost_is_a_miss_though_a_worker_knows_the_question(pair: Pair) -> None:
    pair.client.flushall()
    with pair.only(1):
        for first, second in ((FRANCE, SAME), (SAME, FRANCE)):
            assert how(pair, first) == "miss"
            until(lambda: kept(pair) == 1)
            assert how(pair, second) == "hit"
            pair.client.flushall()


def test_without_redis_or_the_model_everybody_is_answered(pair: Pair) -> None:
    pair.upstream.for_path(EMBEDDINGS).plays(*[sim.status(500)] * 2)
    for number in (0, 1):
        with pair.only(number):
            assert how(pair, f"{FRANCE} {number}") == "miss"
    pair.redis.stop()
    try:
        for number in (0, 1):
            with pair.only(number):
                assert how(pair, FRANCE) == "miss"
    finally:
        pair.redis.start()
    assert "Traceback" not in pair.program.output
