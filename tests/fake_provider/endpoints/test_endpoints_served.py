"""Scripts, rules, recordings, faults, timing, the journal and metrics treat all endpoints as they treat chats."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tokentape_fake_provider import Embeddings, Error, FakeProviderServer, InProcessProvider, Moderation, Ranking
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import plan_answer
from tokentape_fake_provider.app import LONG_SCRIPT
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.script.model import Script, Usage
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import ENDPOINTS, served_at

EMBED: dict[str, Any] = {"model": "text-embedding-3-small", "input": ["one", "two"]}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "one"}]}
RANK = {"model": "rerank-v3.5", "query": "one", "documents": ["two", "one"]}
VECTORS = Script(result=Embeddings(((1.0, 0.0), (0.0, 1.0))))
RECORDED = Tape((Frame(0, b'{"data":[{"embedding":[0.5]}]}'),), 200, (("content-type", "application/json"),))


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


def embeddings(answer: httpx2.Response) -> list[list[float]]:
    """The vectors of an answer in OpenAI's format."""
    return [one["embedding"] for one in answer.raise_for_status().json()["data"]]


def test_a_queued_result_answers_the_next_request_for_it(url: str, session: Session, http: httpx2.Client) -> None:
    """Each kind of request takes its own from the queue, so an app may embed before it chats."""
    session.push("Hello", VECTORS, Script(result=Ranking((0.1, 0.9))), "Bye")
    assert embeddings(http.post(f"{url}/v1/embeddings", json=EMBED)) == [[1.0, 0.0], [0.0, 1.0]]
    assert [one["relevance_score"] for one in http.post(f"{url}/v2/rerank", json=RANK).json()["results"]] == [0.9, 0.1]
    assert len(embeddings(http.post(f"{url}/v1/embeddings", json=EMBED))[0]) == 1536
    answers = [http.post(f"{url}/v1/chat/completions", json=CHAT).json() for _ in range(2)]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == ["Hello", "Bye"]
    by = [entry.answered_by for entry in session.journal.wait()]
    assert by == ["queue", "queue", "synthetic", "queue", "queue"]


def test_one_vector_stands_for_all_inputs(url: str, session: Session, http: httpx2.Client) -> None:
    """Any other number of vectors is an error of the script."""
    session.push(Script(result=Embeddings(((0.5,),))), Script(result=Embeddings(((0.5,),) * 3)))
    assert embeddings(http.post(f"{url}/v1/embeddings", json=EMBED)) == [[0.5], [0.5]]
    refused = http.post(f"{url}/v1/embeddings", json=EMBED)
    assert refused.status_code == 400
    assert "3 vectors for 2 inputs" in refused.text


def test_a_rule_answers_with_a_vector(url: str, session: Session, http: httpx2.Client) -> None:
    """It is chosen by the text of the inputs, the model or the path; a rule for chats does not answer."""
    session.add_rule(Rule((Script.of("prose"),), contains="one"))
    session.add_rule(Rule((VECTORS,), contains="two", path="*/embeddings", model="text-*"))
    assert embeddings(http.post(f"{url}/v1/embeddings", json=EMBED)) == [[1.0, 0.0], [0.0, 1.0]]
    assert len(embeddings(http.post(f"{url}/v1/embeddings", json=EMBED | {"input": "one"}))[0]) == 1536
    assert http.post(f"{url}/v1/chat/completions", json=CHAT).json()["choices"][0]["message"]["content"] == "prose"


def test_a_rule_answers_with_an_error(url: str, session: Session, http: httpx2.Client) -> None:
    """A script that is nothing but an error fails any request for which the conditions hold."""
    session.add_rule(Rule((Script(error=Error(429, "Slow down.", retry_after=2)),), wire="cohere_rerank", times=1))
    assert embeddings(http.post(f"{url}/v1/embeddings", json=EMBED))
    refused = http.post(f"{url}/v2/rerank", json=RANK)
    assert (refused.status_code, refused.json()["message"], refused.headers["retry-after"]) == (429, "Slow down.", "2")
    assert http.post(f"{url}/v2/rerank", json=RANK).status_code == 200


def test_the_control_api_takes_results(
    url: str, server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """A rule of another language answers with a moderation."""
    script = {"result": {"type": "moderation", "flagged": [["violence"]], "scores": {"hate": 0.4}}}
    rules = f"{server.url}/_tokentape/sessions/{session.id}/rules"
    assert http.post(rules, json={"scripts": [script], "contains": "film"}).status_code == 201
    read = http.post(f"{url}/v1/moderations", json={"input": "a film"}).json()["results"][0]
    assert (read["flagged"], read["categories"]["violence"], read["category_scores"]["hate"]) == (True, True, 0.4)
    assert not http.post(f"{url}/v1/moderations", json={"input": "a book"}).json()["results"][0]["flagged"]


def test_a_script_may_flag_nothing(url: str, session: Session, http: httpx2.Client) -> None:
    """What the word lists would flag can be scripted as harmless; an unknown category is an error of the script."""
    session.push(Script(result=Moderation(((),))), Script(result=Moderation((("spam",),))))
    assert not http.post(f"{url}/v1/moderations", json={"input": "murder"}).json()["results"][0]["flagged"]
    assert "no category 'spam'" in http.post(f"{url}/v1/moderations", json={"input": "murder"}).text


def test_faults_apply(url: str, session: Session, http: httpx2.Client) -> None:
    """An error status, damaged JSON, a missing usage and a body that is cut off."""
    for fault in ("http_error@status=503,times=1", "malformed_json@times=1", "no_usage@times=1"):
        session.add_faults(fault)
    assert http.post(f"{url}/v1/embeddings", json=EMBED).status_code == 503
    session.configure(faults=("malformed_json",))
    with pytest.raises(ValueError, match="delimiter"):
        http.post(f"{url}/v1/embeddings", json=EMBED).json()
    session.configure(faults=("no_usage",))
    assert "usage" not in http.post(f"{url}/v1/embeddings", json=EMBED).json()
    session.configure(faults=("fin@byte=10",))
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post(f"{url}/v1/embeddings", json=EMBED)


def test_a_rule_damages_one_endpoint_only(url: str, session: Session, http: httpx2.Client) -> None:
    """A rule of faults alone applies where its conditions hold."""
    session.add_rule(Rule(faults=(parse_fault("http_error@status=500"),), wire="openai_embeddings"))
    assert http.post(f"{url}/v1/embeddings", json=EMBED).status_code == 500
    assert http.post(f"{url}/v1/chat/completions", json=CHAT).status_code == 200


def test_the_answer_comes_at_the_time_of_the_first_token(url: str, session: Session, http: httpx2.Client) -> None:
    """A profile delays it by its time to first token, and a rule's fault by more."""
    session.configure(clock="automatic", timing="synthetic:ttft=700ms,tps=10")
    http.post(f"{url}/v1/embeddings", json=EMBED)
    session.add_rule(Rule(faults=(parse_fault("slow_headers@for=300ms"),), path="*/embeddings"))
    http.post(f"{url}/v1/embeddings", json=EMBED)
    assert [entry.first_frame for entry in session.journal.wait()] == [700, 1000]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/openai/deployments/text-embedding-3-small/embeddings"])
def test_a_recording_answers_the_same_request(path: str, url: str, session: Session, http: httpx2.Client) -> None:
    """On any path of the endpoint; once, and not for another input."""
    session.add_recordings([Recording(RECORDED, "/v1/embeddings", EMBED)])
    assert embeddings(http.post(url + path, json=EMBED)) == [[0.5]]
    assert session.unplayed.empty
    assert len(embeddings(http.post(url + path, json=EMBED))[0]) == 1536
    note = session.journal.wait()[-1].note
    assert "was played already" in note


def test_a_strict_session_refuses_what_nothing_answers(url: str, session: Session, http: httpx2.Client) -> None:
    """A rule with an empty result lets vectors be computed there too."""
    session.configure(strict=True)
    refused = http.post(f"{url}/v1/embeddings", json=EMBED)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_recording")
    session.add_rule(Rule((Script(result=Embeddings()),), wire="openai_embeddings"))
    assert len(embeddings(http.post(f"{url}/v1/embeddings", json=EMBED))[0]) == 1536


def test_the_journal_and_the_metrics_name_the_endpoint(
    url: str, server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """With its model, what answered, and its counts."""
    http.post(f"{url}/v1/embeddings", json=EMBED)
    (entry,) = session.journal.wait()
    assert (entry.wire, entry.model, entry.answered_by, entry.status) == (
        "openai_embeddings",
        "text-embedding-3-small",
        "synthetic",
        200,
    )
    assert 'wire="openai_embeddings"' in http.get(f"{server.url}/metrics").text


def test_usage_can_be_scripted(url: str, session: Session, http: httpx2.Client) -> None:
    """A script's count, the session's, or none."""
    session.push(
        Script(result=Embeddings(), usage=Usage(input=7)), Script(result=Embeddings(), usage=Usage(report=False))
    )
    assert http.post(f"{url}/v1/embeddings", json=EMBED).json()["usage"]["prompt_tokens"] == 7
    assert "usage" not in http.post(f"{url}/v1/embeddings", json=EMBED).json()
    session.configure(usage=Usage(input=3))
    assert http.post(f"{url}/v1/embeddings", json=EMBED).json()["usage"]["total_tokens"] == 3


def test_a_chat_does_not_get_a_result(url: str, session: Session, http: httpx2.Client) -> None:
    """A queued vector waits for a request for embeddings."""
    session.push(VECTORS)
    assert "choices" in http.post(f"{url}/v1/chat/completions", json=CHAT).json()
    assert len(session.queue) == 1
    assert "1 queued script not played: embeddings" in str(session.unplayed)


def test_many_texts_are_embedded_in_a_thread(session: Session) -> None:
    """A thousand passages, or as many words, don't stop the streams of others."""
    for inputs in ([" word" * 200] * 1000, ["word"] * 1000):
        body = EMBED | {"input": inputs}
        plan = plan_answer(session, HttpRequest("POST", "/v1/embeddings", body, served_at("/v1/embeddings")))
        assert plan.size > LONG_SCRIPT
    small = plan_answer(session, HttpRequest("POST", "/v1/embeddings", EMBED, served_at("/v1/embeddings")))
    assert small.size < LONG_SCRIPT


def test_in_process_it_answers_without_a_socket() -> None:
    """The in-process provider serves the endpoints too."""
    with InProcessProvider() as provider, httpx2.Client(transport=provider.transport()) as client:
        assert len(embeddings(client.post(f"{provider.base_url('openai_chat')}/embeddings", json=EMBED))) == 2


@pytest.mark.parametrize("name", list(ENDPOINTS))
def test_a_get_request_is_refused(name: str, url: str, http: httpx2.Client) -> None:
    """As with chats, the provider's error names the method that is served."""
    models = {
        "bedrock_titan_embeddings": "amazon.titan-embed-text-v1",
        "bedrock_nova_embeddings": "amazon.nova-2-multimodal-embeddings-v1:0",
        "bedrock_rerank": "cohere.rerank-v3-5:0",
    }
    model = models.get(name, "cohere.embed-english-v3" if "bedrock" in name else "text-embedding-005")
    path = ENDPOINTS[name].paths[0].format(model=model)
    served = served_at(path)
    assert served is not None
    assert served.name == name
    if "/models/" not in path and "/responses/" not in path:  # where GET requests have another meaning
        refused = http.get(url + path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
