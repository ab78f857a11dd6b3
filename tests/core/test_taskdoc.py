"""What is stored or sent comes back as it was, and what cannot be is refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import daemon, run, task
from torchsync.codes import CODES
from torchsync.core import taskdoc
from torchsync.core.entries import Batch
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import (
    DaemonTiming,
    Fingerprint,
    Generation,
    HostFacts,
    ProgramCommand,
    Retry,
    Revision,
    Run,
    RunId,
    Task,
    TaskName,
    TreeId,
)
from torchsync.core.syncdoc import Phase, SyncAnswer, SyncRequest, SyncResult, Verdict
from torchsync.errors import Problem

durations = st.dictionaries(st.sampled_from(Phase), st.floats(0, 1e6))
hexes = st.sampled_from(["0" * 40, "0123456789abcdef" * 4, "deadbeef" * 5])

st.register_type_strategy(TaskName, st.from_regex(f"({taskdoc.TASK_NAME})", fullmatch=True).map(TaskName))
st.register_type_strategy(Revision, hexes.map(Revision))
st.register_type_strategy(TreeId, (hexes | st.just("")).map(TreeId))
st.register_type_strategy(Fingerprint, st.just(Fingerprint("ab" * 32)))
st.register_type_strategy(RunId, st.from_regex(r"[0-9a-f]{12}-[0-9a-f]{8}", fullmatch=True).map(RunId))
st.register_type_strategy(DaemonTiming, st.builds(DaemonTiming, backoff=st.floats(1, 100)))
st.register_type_strategy(Retry, st.builds(Retry, backoff=st.floats(1, 100)))
st.register_type_strategy(SyncAnswer, st.builds(SyncAnswer, durations=durations))
st.register_type_strategy(SyncResult, st.builds(SyncResult, durations=durations))
st.register_type_strategy(Problem, st.builds(Problem, code=st.sampled_from(sorted(CODES))))

PAIRS = [
    pytest.param(Task, taskdoc.task_document, taskdoc.task_from_document, id="task"),
    pytest.param(Batch, taskdoc.batch_document, taskdoc.batch_from_document, id="batch"),
    pytest.param(Problem, taskdoc.problem_document, taskdoc.problem_from_document, id="problem"),
    pytest.param(SyncRequest, taskdoc.request_document, taskdoc.request_from_document, id="request"),
]


@pytest.mark.parametrize(("kind", "write", "read"), PAIRS)
def test_a_value_comes_back_from_its_text(kind: type, write: Any, read: Any) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.from_type(kind))
    def comes_back(value: object) -> None:
        text = canonical(write(value))
        assert text.isascii()
        assert read(parse_json(text)) == value

    comes_back()


@settings(max_examples=40, deadline=None)
@given(st.from_type(Generation))
def test_a_generation_comes_back(generation: Generation) -> None:
    tasks = {one.name: one for one in generation.tasks.values()}
    generation = replace(generation, tasks=tasks)
    assert taskdoc.generation_from_document(parse_json(canonical(taskdoc.generation_document(generation)))) == generation


@settings(max_examples=40, deadline=None)
@given(st.from_type(SyncAnswer))
def test_an_answer_comes_back(answer: SyncAnswer) -> None:
    answer = replace(answer, tasks=tuple({one.name: one for one in answer.tasks}.values()), kept=())
    assert taskdoc.answer_from_document(parse_json(canonical(taskdoc.answer_document(answer)))) == answer


def test_unions_carry_the_name_of_their_member() -> None:
    assert taskdoc.task_document(task())["timing"]["kind"] == "cron"  # type: ignore[index,call-overload]
    assert taskdoc.task_document(daemon())["timing"]["kind"] == "daemon"  # type: ignore[index,call-overload]
    assert taskdoc.task_document(task(command=ProgramCommand(("a",))))["command"] == {"kind": "program", "argv": ["a"]}


def test_a_document_of_an_older_version_takes_the_defaults_of_new_fields() -> None:
    document = taskdoc.task_document(task())
    del document["stop_grace"]
    assert taskdoc.task_from_document(document) == task()


def test_a_document_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    assert taskdoc.task_from_document({**taskdoc.task_document(task()), "colour": "red"}) == task()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"name": None}, "the task.name must be text, found None", id="null"),
        pytest.param({"name": "../x"}, "the task.name is not of the form of a TaskName: '../x'", id="name"),
        pytest.param({"name": "x\n"}, "the task.name is not of the form", id="name with a line end"),
        pytest.param({"fingerprint": "abc"}, "the task.fingerprint is not of the form", id="fingerprint"),
        pytest.param({"max_running": "1"}, "the task.max_running must be a whole number, found '1'", id="text as number"),
        pytest.param({"max_running": True}, "the task.max_running must be a whole number, found True", id="boolean as number"),
        pytest.param({"max_running": 1.0}, "the task.max_running must be a whole number, found 1.0", id="float as integer"),
        pytest.param({"enabled": 1}, "the task.enabled must be true or false, found 1", id="number as boolean"),
        pytest.param({"hosts": "db"}, "the task.hosts must be a list, found 'db'", id="text as list"),
        pytest.param({"hosts": [1]}, "the task.hosts[0] must be text, found 1", id="number in a list"),
        pytest.param({"env": []}, "the task.env must be an object, found []", id="list as mapping"),
        pytest.param({"env": {"A": 1}}, "the task.env.A must be text, found 1", id="number in a mapping"),
        pytest.param({"severity": "bad"}, "the task.severity must be one of info, warning, critical, found 'bad'", id="enum"),
        pytest.param({"timing": {"kind": "weekly"}}, "the task.timing must be an object whose 'kind' is one of", id="unknown member"),
        pytest.param({"timing": 5}, "the task.timing must be an object whose 'kind' is one of", id="no member"),
        pytest.param(
            {"timing": {"kind": "daemon", "backoff": float("inf")}}, "the task.timing.backoff must be a finite number", id="infinity"
        ),
        pytest.param({"command": {"kind": "shell"}}, "the task.command lacks 'text'", id="missing"),
    ],
)
def test_a_document_that_is_none_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"the task\.") as caught:
        taskdoc.task_from_document({**taskdoc.task_document(task()), **change})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("document", [None, [], "x", 5, {}])
def test_what_is_no_object_at_all_is_refused(document: object) -> None:
    for _, __, read in (param.values for param in PAIRS):
        with pytest.raises(ValueError, match=r"must be an object|lacks"):
            read(document)


ANSWER = SyncAnswer(verdict=Verdict.ACCEPTED, revision=Revision("a" * 40), tree=TreeId("b" * 40), tasks=(task(),))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"tree": "../../etc"}, id="a tree that is a path"),
        pytest.param({"tree": "b" * 39}, id="a tree of the wrong length"),
        pytest.param({"revision": "-x"}, id="a revision that is an option"),
        pytest.param({"kept": ["nightly-backup"]}, id="a task sent and kept"),
        pytest.param({"kept": ["a", "a"]}, id="a task kept twice"),
        pytest.param({"problems": [{"code": "TS000", "message": "x"}]}, id="a problem with an unknown code"),
        pytest.param({"durations": {"lunch": 1.0}}, id="an unknown phase"),
        pytest.param({"verdict": "maybe"}, id="an unknown verdict"),
    ],
)
def test_an_answer_that_cannot_be_is_not_believed(change: dict[str, Any]) -> None:
    document = taskdoc.answer_document(ANSWER)
    assert taskdoc.answer_from_document(document) == ANSWER
    with pytest.raises(ValueError, match=r"the answer|the problem|a key of"):
        taskdoc.answer_from_document({**document, **change})


def test_a_run_id_cannot_lead_out_of_the_folder_of_runs() -> None:
    with pytest.raises(ValueError, match="RunId"):
        taskdoc.CODEC.value(Run, {**taskdoc.CODEC.document(run()), "id": "../../x"}, "the run")


def test_a_generation_whose_keys_are_not_its_tasks_is_refused() -> None:
    generation = Generation(
        number=1,
        revision=Revision("a" * 40),
        tree=TreeId("b" * 40),
        facts=HostFacts(name="h"),
        tasks={TaskName("other"): task()},
        baselines={},
        applied_at=0,
    )
    with pytest.raises(ValueError, match="other"):
        taskdoc.generation_from_document(taskdoc.generation_document(generation))


def test_the_canonical_text_is_the_same_for_equal_documents() -> None:
    assert canonical({"b": 1, "a": "ü"}) == canonical({"a": "ü", "b": 1}) == '{"a":"\\u00fc","b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "[" * 100_000, b"\xff"])
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_document_is_plain_json() -> None:
    document = taskdoc.task_document(task())
    assert json.loads(json.dumps(document)) == document
