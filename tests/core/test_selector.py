from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.model import HostFacts
from torchsync.core.selector import SelectorFault, check_selector, group_of, selects, why

HOST = HostFacts(name="db-1.eu.example.org", addresses=("10.2.0.7", "2001:db8::7"), labels={"role": "db", "site": "eu", "rack": "R 7"})


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        pytest.param([], True, id="no hosts is every host"),
        pytest.param(["db-1.eu.example.org"], True, id="full name"),
        pytest.param(["db-1"], True, id="first label"),
        pytest.param(["eu"], False, id="another label of the name"),
        pytest.param(["db-*"], True, id="star"),
        pytest.param(["*.example.org"], True, id="star over dots of the full name"),
        pytest.param(["db-?"], True, id="question mark"),
        pytest.param(["db-[0-3]"], True, id="set"),
        pytest.param(["db-[!1]"], False, id="negated set"),
        pytest.param(["db-[]1]"], True, id="bracket in a set"),
        pytest.param(["db"], False, id="a name is matched whole"),
        pytest.param(["10.2.0.7"], True, id="address"),
        pytest.param(["10.2.0.70"], False, id="another address"),
        pytest.param(["10.2.0.0/16"], True, id="network"),
        pytest.param(["10.3.0.0/16"], False, id="another network"),
        pytest.param(["2001:db8::7"], True, id="v6 address"),
        pytest.param(["2001:DB8:0::7"], True, id="v6 address written otherwise"),
        pytest.param(["2001:db8::/32"], True, id="v6 network"),
        pytest.param(["0.0.0.0/0"], True, id="every v4 address"),
        pytest.param(["role=db"], True, id="label"),
        pytest.param(["role=d*"], True, id="label pattern"),
        pytest.param(["role=DB"], False, id="label values keep their case"),
        pytest.param(["role=db&site=eu"], True, id="both labels"),
        pytest.param(["role=db&site=us"], False, id="one of two labels"),
        pytest.param(["zone=*"], False, id="a label the host lacks"),
        pytest.param(["rack=R?7"], True, id="a space in a value"),
        pytest.param(["!db-*"], False, id="excluded by name"),
        pytest.param(["!web-*"], True, id="only exclusions are every other host"),
        pytest.param(["db-*", "!db-1"], False, id="an exclusion wins"),
        pytest.param(["!db-1", "db-*"], False, id="an exclusion wins in any order"),
        pytest.param(["!10.2.0.0/16"], False, id="excluded by network"),
        pytest.param(["!role=db&site=us"], True, id="an exclusion needs both labels"),
        pytest.param(["web-*", "!db-2"], False, id="an exclusion of others selects nothing"),
        pytest.param(["web-*", "role=db"], True, id="one of several is enough"),
    ],
)
def test_a_host_is_selected_by_any_positive_and_no_excluding_selector(selectors, expected):
    assert all(check_selector(text) is None for text in selectors)
    assert selects(selectors, HOST) is expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param("", "write a host name pattern", id="empty"),
        pytest.param("!", "write a host name pattern", id="only the mark"),
        pytest.param("!!db", "write one, or none", id="two marks"),
        pytest.param("db 1", "one list entry for each", id="space"),
        pytest.param("db\t", "one list entry for each", id="tab"),
        pytest.param("DB-*", "write `db-*`", id="capitals"),
        pytest.param("db_{1,2}", "wildcards", id="braces"),
        pytest.param("dä", "use letters, digits", id="not ASCII"),
        pytest.param("db-[12", "close it", id="open bracket"),
        pytest.param("db-[]", "close it", id="empty set"),
        pytest.param("10.2.*", "10.2.0.0/16", id="pattern over an address"),
        pytest.param("10.2.0.300", "no address", id="octet too large"),
        pytest.param("10.02.0.1", "no address", id="octal octet"),
        pytest.param("10.2.0.7/16", "write `10.2.0.0/16`", id="host bits"),
        pytest.param("10.2.0.0/255.255.0.0", "write `10.2.0.0/16`", id="dotted mask"),
        pytest.param("10.2.0.0/33", "no address", id="mask too long"),
        pytest.param("fe80::1%eth0", "write `fe80::1`", id="interface"),
        pytest.param("web:80", "no address", id="port"),
        pytest.param("role=", "write `role=*`", id="no pattern"),
        pytest.param("=db", "name of a label", id="no label"),
        pytest.param("role!=db", "write `!role=db`", id="not equal"),
        pytest.param("role=db&", "label=pattern", id="loose end"),
        pytest.param("db-*&role=db", "label=pattern", id="a name joined to a label"),
    ],
)
def test_a_selector_that_is_none_says_what_to_write(text, remedy):
    fault = check_selector(text)
    assert isinstance(fault, SelectorFault)
    assert fault.code == "TS131"
    assert remedy in f"{fault.message}; {fault.hint}"


GROUPS = {
    "eu": ["site=eu", "@west"],
    "west": ["10.3.0.0/16", "paris-*"],
    "tested": ["*-test-*"],
    "not-web": ["!web-*"],
    "prod": ["!@tested"],
}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        pytest.param(["@eu"], True, id="a group"),
        pytest.param(["!@eu"], False, id="all but a group"),
        pytest.param(["@west"], False, id="another group"),
        pytest.param(["@west", "db-*"], True, id="a group or a name"),
        pytest.param(["@eu", "!role=db"], False, id="an exclusion wins over a group"),
        pytest.param(["@not-web"], True, id="a group of exclusions is every other host"),
        pytest.param(["!@not-web"], False, id="not in a group of exclusions"),
        pytest.param(["@prod"], True, id="a group within a group"),
    ],
)
def test_a_group_is_the_hosts_that_its_selectors_select(selectors, expected):
    assert selects(selectors, HOST, GROUPS) is expected


def test_the_reason_names_the_group():
    assert why(["@eu"], HOST, GROUPS) == "`@eu` matches db-1.eu.example.org, which is in that group"


@pytest.mark.parametrize(
    ("text", "remedy"), [("@", "write `@` and the name"), ("@EU", "write `@eu`"), ("@eu&role=db", "write `@` and"), ("!@a/b", "write `@`")]
)
def test_what_is_not_the_name_of_a_group_says_what_to_write(text, remedy):
    fault = check_selector(text)
    assert fault is not None
    assert fault.code == "TS131"
    assert remedy in f"{fault.message}; {fault.hint}"


def test_a_group_that_is_not_there_selects_nothing_silently():
    with pytest.raises(ValueError, match="no group 'us'"):
        selects(["@us"], HOST, GROUPS)


@pytest.mark.parametrize(("selector", "name"), [("@eu", "eu"), ("!@eu", "eu"), ("eu", None), ("role=eu", None)])
def test_a_selector_tells_the_group_it_names(selector, name):
    assert group_of(selector) == name


def test_a_broken_selector_selects_nothing_silently():
    with pytest.raises(ValueError, match="capital"):
        selects(["DB-*"], HOST)


def test_a_host_without_addresses_and_labels_is_matched_by_its_name_alone():
    bare = HostFacts(name="db-1")
    assert selects(["db-1", "10.0.0.0/8", "role=db"], bare)
    assert not selects(["0.0.0.0/0", "::/0", "role=*"], bare)


@pytest.mark.parametrize(
    ("selectors", "words"),
    [
        ([], ["without `hosts`"]),
        (["web-*", "10.2.0.0/16"], ["`10.2.0.0/16`", "10.2.0.7"]),
        (["web-*", "www"], ["nothing matches", "`web-*`", "`www`"]),
        (["db-*", "!role=db"], ["`!role=db` excludes", "role=db"]),
        (["!web-*"], ["no others"]),
    ],
)
def test_the_reason_names_the_selector_that_decided(selectors, words):
    assert all(word in why(selectors, HOST) for word in words)


FORMS = st.sampled_from(["db-*", "db-1", "web-*", "10.2.0.0/16", "10.3.0.1", "::/0", "role=db", "role=db&site=us", "site=e?"])
SELECTORS = st.lists(st.tuples(st.sampled_from(["", "!"]), FORMS).map("".join), max_size=6)


@given(selectors=SELECTORS, seed=st.integers())
def test_the_order_of_selectors_never_matters(selectors, seed):
    shuffled = list(selectors)
    Random(seed).shuffle(shuffled)
    assert selects(selectors, HOST) == selects(shuffled, HOST)


@given(selectors=SELECTORS)
def test_a_task_goes_to_a_host_as_the_rule_says(selectors):
    hits = {text: selects([text.removeprefix("!")], HOST) for text in selectors}
    positive = [text for text in selectors if not text.startswith("!")]
    excluded = any(hits[text] for text in selectors if text.startswith("!"))
    assert selects(selectors, HOST) == (not excluded and (not positive or any(hits[text] for text in positive)))


@given(text=st.text(max_size=40) | st.text(alphabet="ab1.*?[]!-=&@/: ", max_size=20))
def test_any_text_is_either_a_selector_or_explained(text):
    fault = check_selector(text)
    if fault is None:
        selects([text], HOST, {group_of(text) or "none": []})
    else:
        assert fault.message.isprintable()
        assert fault.hint
