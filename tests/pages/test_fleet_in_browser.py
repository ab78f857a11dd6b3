"""The page of a fleet in a real browser, at a desk, on a phone, on paper, without JavaScript, and with texts that mean harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import DESKTOP, PHONE, Opened, chromium, faint_texts, opened
from tests.fleets import Document, fleet, host, large, task, usual, with_differences, with_live
from torchsync.core.cron import instants, parse_schedule
from torchsync.core.model import Instant
from torchsync.core.schedule import CronSchedule
from torchsync.pages.fleet import render_fleet

WEEK = 7 * 86_400


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def usual_page(folder: Path) -> Path:
    return written(folder / "usual.html", with_live(with_differences(usual())))


@pytest.fixture(scope="module")
def large_page(folder: Path) -> Path:
    return written(folder / "large.html", large(60, 200))


@pytest.fixture(scope="module")
def tab(browser: Browser, usual_page: Path) -> Iterator[Opened]:
    with opened(browser, usual_page) as found:
        yield found


@pytest.fixture
def desk(tab: Opened, usual_page: Path) -> Iterator[Opened]:
    """The page at a desk, opened anew. It does nothing but show itself, whatever the test does with it."""
    tab.page.goto("about:blank")
    tab.page.goto(f"file://{usual_page}")
    yield tab
    assert tab.said == []
    assert not tab.overflows


def written(file: Path, document: Document) -> Path:
    file.write_text(render_fleet(document))
    return file


def names(page: Page) -> list[str]:
    return page.locator("#list tbody .task > .name").all_inner_texts()


def tabs(page: Page) -> dict[str, str]:
    return {text.split("\n")[0]: text.split("\n")[-1] for text in page.locator("#tabs a").all_inner_texts()}


def fragment(page: Page) -> str:
    """As the page knows it: whoever drives the browser is told of it a little later."""
    return str(page.evaluate("location.hash.slice(1)"))


def test_everything_is_there_at_first_sight(desk: Opened) -> None:
    assert names(desk.page) == sorted(one["name"] for one in usual()["tasks"])
    assert tabs(desk.page) == {"Tasks": "12", "Hosts": "18", "No host": "1", "Idle hosts": "2", "Differences": "5", "Live": "5"}
    assert desk.page.inner_text("#count") == "12 tasks"
    row = desk.page.locator("tr", has_text="nightly-backup")
    words = [
        "nightly-backup",
        "critical",
        "fails on 1 host",
        "0 30 2 * * *",
        "Europe/Berlin",
        "02:30",
        "Fri 23 Oct",
        "7",
        "team-db",
        "3",
        "db-1, db-2, …",
    ]
    assert [word for word in words if word not in row.inner_text()] == []
    desk.shoot("tasks")


def test_the_search_narrows_every_view_says_how_much_and_stands_in_the_address(desk: Opened) -> None:
    page = desk.page
    page.keyboard.press("/")
    page.keyboard.type("TEAM-DB backup")
    assert names(page) == ["nightly-backup"]
    assert page.inner_text("#count") == "1 of 12 tasks"
    assert page.get_attribute("#count", "aria-live") == "polite"
    assert fragment(page) == "q=TEAM-DB+backup"
    page.fill("#q", "10.3.0.4")
    assert tabs(page)["Tasks"] == "0"
    assert page.inner_text("#list") == "Nothing matches here. 1 host matches · Show everything"
    with moved(page):
        page.click("text=1 host matches")
    assert names(page) == ["web-04"]
    with moved(page):
        page.go_back()
    assert page.inner_text("#what") == "Tasks"
    with moved(page):
        page.click("text=Show everything")
    assert len(names(page)) == 12
    assert page.input_value("#q") == ""


LINKS = {
    "#owner=team-finance": ["report"],
    "#on=build-1": ["certificates", "inventory", "nightly-build"],
    "#runs=*log*": ["rotate-logs"],
    "#label=tier%3D1": ["nightly-backup"],
    "#label=role%3Dbuild": ["certificates", "inventory", "nightly-build"],
    "#view=hosts&owner=team-finance": ["db-1", "db-2", "db-3"],
    "#view=hosts&runs=replica-lag": ["db-2", "db-3"],
    "#view=hosts&label=site%3Dus": ["build-1", "spare-2"],
    "#view=hosts&on=web-?1": ["web-01", "web-11"],
    "#view=hosts&on=web-[1": [],
    "#view=unmatched": ["mail-queue"],
    "#view=idle": ["spare-1", "spare-2"],
    "#view=differences&runs=old": ["old-sync"],
    "#view=differences&owner=team-web": ["rotate-logs", "warm-cache"],
    "#view=live&on=old": ["old-1"],
    "#view=live&owner=team-build": ["build-1"],
    "#view=nonsense&q=vacuum&more=x": ["vacuum"],
}


def test_a_link_shows_a_colleague_the_same(desk: Opened) -> None:
    assert {address: names_at(desk.page, address) for address in LINKS} == LINKS


def names_at(page: Page, address: str) -> list[str]:
    page.evaluate(SHOW, address)
    return names(page)


@contextmanager
def moved(page: Page) -> Iterator[None]:
    """What is done in it leads to another part of the page, which is shown at the end."""
    page.evaluate("() => { window.moved = new Promise((shown) => addEventListener('hashchange', () => shown(), { once: true })); }")
    yield
    page.evaluate("() => window.moved")


SHOW = "(address) => new Promise((shown) => { addEventListener('hashchange', () => shown(), { once: true }); location.hash = address; })"
"""Goes to another part of the page and waits until it is shown."""
ROWS = """() => [...document.querySelectorAll('#detail .day')].map(
  (day) => [day.querySelector('.label').textContent, day.querySelector('.count').firstChild.data])"""
"""The days of the week that is open, and how often something fires on each."""


def test_the_filters_are_offered_and_cleared(desk: Opened) -> None:
    page = desk.page
    page.select_option("#owner", "team-web")
    page.fill("#on", "web-03")
    assert names(page) == ["rotate-logs", "warm-cache", "web-health"]
    assert page.inner_text("#filtered") == "owner: team-web · host: web-03"
    page.click("#clear")
    assert fragment(page) == ""
    assert len(names(page)) == 12
    page.focus("#runs")
    assert page.locator("#runs-names option").count() == 12


def test_a_task_opens_beside_the_list_with_its_week_and_the_night_of_the_clock_change(desk: Opened) -> None:
    page = desk.page
    with moved(page):
        page.click("text=nightly-backup")
    assert fragment(page) == "task=nightly-backup"
    assert page.title() == "nightly-backup · Fleet"
    detail = page.locator("#detail")
    assert page.evaluate(ROWS)[:4] == [["Thu 22 Oct", "·"], ["Fri 23 Oct", "1"], ["Sat 24 Oct", "1"], ["Sun 25 Oct", "1"]]
    assert "Sun 25 Oct: the clocks go back from 03:00 to 02:00; that day has 25 hours." in detail.inner_text()
    fires = detail.locator(".agenda").first.locator("tbody tr").all_inner_texts()
    assert fires[2].split("\t") == ["Sun 25 Oct 02:30", "Sun 25 Oct 00:30"]
    assert fires[3].split("\t") == ["Mon 26 Oct 02:30", "Mon 26 Oct 01:30"]
    said = detail.inner_text()
    assert [
        word for word in ("./scripts/backup.sh --all", "tasks/db/backup.yaml:8", "3 failures", "2 h", "role=db") if word not in said
    ] == []
    assert detail.locator("a[href^='https:']").get_attribute("rel") == "noopener noreferrer"
    desk.shoot("detail")
    with moved(page):
        page.click("#detail >> text=db-3")
    assert page.inner_text("#opened") == "db-3"
    with moved(page):
        page.go_back()
    assert page.inner_text("#opened") == "nightly-backup"
    with moved(page):
        page.keyboard.press("Escape")
    assert page.is_hidden("#detail")
    assert page.evaluate("document.activeElement.textContent") == "nightly-backup"


def test_times_that_differ_by_host_are_told_for_the_host_that_is_chosen(desk: Opened) -> None:
    page = desk.page
    page.evaluate(SHOW, "#task=rotate-logs")
    first = page.inner_text("#detail .agenda tbody tr >> nth=0")
    page.select_option("#detail select", label="web-09")
    assert page.inner_text("#detail .agenda tbody tr >> nth=0") != first


def test_a_dense_task_is_a_band_with_its_count(desk: Opened) -> None:
    page = desk.page
    page.evaluate(SHOW, "#task=replica-lag")
    assert "20,160 fires: too many to list." in page.inner_text("#detail")
    assert page.locator("#detail .bands").nth(1).get_attribute("d") == "M0 2h1440v16h-1440z"
    assert page.evaluate(ROWS)[3] == ["Sun 25 Oct", "3,000"]  # a day of 25 hours


def test_keys_lead_through_the_list_and_back(desk: Opened) -> None:
    page = desk.page
    page.keyboard.press("/")
    page.keyboard.type("team-web")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "warm-cache"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with moved(page):
        page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "opened"
    assert fragment(page) == "task=warm-cache&q=team-web"
    with moved(page):
        page.keyboard.press("Escape")
    assert page.is_hidden("#detail")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    assert len(names(page)) == 12


def test_trouble_comes_first_in_the_live_view(desk: Opened) -> None:
    page = desk.page
    with moved(page):
        page.click("#tabs >> text=Live")
    assert names(page)[:5] == ["spare-1", "web-03", "web-07", "old-1", "db-2"]
    rows = page.locator("#list tbody tr")
    assert [word for word in ("down", "silent", "heard 10 h ago") if word not in rows.nth(1).inner_text()] == []
    assert [
        word for word in ("another commit", "lacks 1 task", "has 1 besides", "turned down") if word not in rows.nth(2).inner_text()
    ] == []
    assert "not in hosts.yaml" in rows.nth(3).inner_text()
    assert [word for word in ("1 task fails", "1 task late") if word not in rows.nth(4).inner_text()] == []
    desk.shoot("live")


def test_who_is_gone_is_not_silent_and_who_answers_is_not_always_well(browser: Browser, folder: Path) -> None:
    odd = {"web-10": {"stalled": True}, "old-1": {"state": "absent"}}
    page = written(folder / "odd.html", with_live(usual(), lambda each: each | odd.get(each["name"], {})))
    with opened(browser, page, fragment="#view=live", width=PHONE) as found:
        assert names(found.page)[:5] == ["spare-1", "web-03", "web-10", "web-07", "old-1"]
        rows = found.page.locator("#list tbody tr")
        assert rows.nth(2).locator(".badge").all_inner_texts() == ["scheduler does not turn"]
        assert rows.nth(4).locator(".badge").all_inner_texts() == ["not in hosts.yaml"]
        chosen = found.page.locator("#tabs [aria-current]").bounding_box()
        assert chosen
        assert 0 < chosen["x"] < PHONE - chosen["width"], "the tab is in sight"
        found.page.evaluate(SHOW, "#view=live&host=web-10")
        assert "scheduler does not turn" in found.page.inner_text("#detail")


def test_how_old_a_page_is_is_said_sooner_where_it_tells_who_is_up(browser: Browser, folder: Path) -> None:
    made = usual() | {"generated_at": (datetime.now(UTC) - timedelta(minutes=150)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for name, document, told in (("plain", made, ""), ("live", with_live(made), "This is the fleet of 3 h ago.")):
        with opened(browser, written(folder / f"{name}.html", document)) as found:
            assert found.page.locator("#age:visible").all_inner_texts() == ([told] if told else [])


def test_where_a_server_forbids_scripts_the_page_says_so(browser: Browser, usual_page: Path) -> None:
    home = "http://fleet.example.org/"
    policy = {"content-type": "text/html", "content-security-policy": "default-src 'self'"}
    context = browser.new_context()
    try:
        page = context.new_page()
        page.route(f"{home}*", lambda route: route.fulfill(body=usual_page.read_text(), headers=policy))
        page.goto(home)
        page.get_by_text("The script of this page has not run.").wait_for()
    finally:
        context.close()


def test_differences_tell_who_gains_and_who_loses(desk: Opened) -> None:
    page = desk.page
    with moved(page):
        page.click("#tabs >> text=Differences")
    assert page.inner_text("#about") == "compared with main (aaaaaaaaaaaa)"
    row = page.locator("#list tbody tr", has_text="old-sync")
    assert row.locator("td, th").all_text_contents() == ["gone", "old-sync task", "–", "db-1db-2"]
    page.click("text=and 4 more")
    assert page.locator("#list tbody tr", has_text="warm-cache").locator("li").count() == 12


def test_a_screen_reader_finds_landmarks_headings_and_a_table(desk: Opened) -> None:
    page = desk.page
    assert page.get_by_role("banner").count() == page.get_by_role("main").count() == page.get_by_role("search").count() == 1
    assert page.get_by_role("navigation", name="Views").get_by_role("link", name="Tasks").get_attribute("aria-current") == "page"
    assert page.get_by_role("table", name="Tasks").get_by_role("row").count() == 13
    assert page.get_by_role("columnheader", name="Owner").count() == 1
    assert page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="vacuum")).count() == 1
    assert [page.get_by_role("searchbox", name="Search").count(), page.get_by_role("combobox", name="Owner").count()] == [1, 1]
    with moved(page):
        page.click("text=vacuum")
    assert page.get_by_role("complementary", name="vacuum").get_by_role("heading", level=2).inner_text() == "vacuum"
    assert page.get_by_role("status").inner_text() == "12 tasks"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_nothing_sticks_out_and_all_can_be_read(browser: Browser, usual_page: Path, dark: bool) -> None:
    with opened(browser, usual_page, width=PHONE, dark=dark) as found:
        for view in ("tasks", "hosts", "unmatched", "idle", "differences", "live"):
            found.page.evaluate(SHOW, f"#view={view}&")
            assert not found.overflows, view
            found.shoot(f"phone-{view}-{'dark' if dark else 'light'}")
        found.page.click("text=Filters")
        assert found.page.is_visible("#owner")
        assert not found.overflows
        for one in ("task=nightly-backup", "host=db-2"):
            found.page.evaluate(SHOW, f"#{one}")
            assert not found.overflows, one
            assert found.page.is_hidden("#list")
        assert faint_texts(found.page) == []
        assert found.said == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Browser, usual_page: Path, dark: bool) -> None:
    with opened(browser, usual_page, fragment="#view=live&task=nightly-backup", dark=dark) as found:
        assert faint_texts(found.page) == []
        ground = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(17, 21, 26)" if dark else "rgb(246, 247, 249)")


def test_paper_has_all_that_is_filtered_in_black_on_white(browser: Browser, large_page: Path) -> None:
    with opened(browser, large_page, dark=True) as found:
        page = found.page
        rows = page.locator("#list tbody tr")
        page.emulate_media(media="print")
        for text, expected in (("backup", 29), ("", 200)):
            page.evaluate(SHOW, f"#q={text}")
            assert rows.count() < expected
            assert len(page.pdf(format="A4")) > 20_000
            assert rows.count() == expected
        assert page.is_hidden("#filters")
        assert page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]") == [
            "rgb(255, 255, 255)",
            "rgb(0, 0, 0)",
        ]


def test_rows_are_made_as_one_gets_near_them(browser: Browser, large_page: Path) -> None:
    with opened(browser, large_page) as found:
        rows = found.page.locator("#list tbody tr")
        assert rows.count() < 200
        while rows.count() < 200:
            before = rows.count()
            found.page.evaluate("scrollTo(0, document.body.scrollHeight)")
            rows.nth(before).wait_for()
        found.page.evaluate(SHOW, "#view=hosts")
        for _ in range(60):
            found.page.keyboard.press("ArrowDown")
        assert found.page.evaluate("document.activeElement.textContent") == names(found.page)[-1]
        assert found.page.inner_text("#count") == "60 hosts"


def test_without_an_inventory_tasks_say_what_they_ask_for(browser: Browser, folder: Path) -> None:
    document = fleet([], [task("all"), task("some", "H 3 * * *", "db-*", "role=web")], has_inventory=False)
    with opened(browser, written(folder / "bare.html", document), fragment="#task=some") as found:
        assert list(tabs(found.page)) == ["Tasks"]
        assert found.page.locator("#list td.on").all_text_contents() == ["every host", "db-*role=web"]
        assert "Its times differ by host." in found.page.inner_text("#detail")
        assert found.said == []


def test_what_is_further_away_than_a_week_has_its_moment_and_its_year(browser: Browser, folder: Path) -> None:
    tasks = [
        task("far", "@at 2031-01-02T06:00", next="2031-01-02T05:00:00Z"),
        task("boot", "@startup"),
        task("over", "@at 2020-01-02T06:00"),
    ]
    with opened(browser, written(folder / "far.html", fleet([host("db-1")], tasks))) as found:
        cells = found.page.locator("#list tbody .next").all_inner_texts()
    assert [" ".join(text.split()) for text in cells] == ["after a boot", "05:00 UTC Thu 2 Jan 2031", "–"]


def test_a_part_of_a_fleet_says_of_how_many(browser: Browser, folder: Path) -> None:
    document = fleet([host("a")], [task("t"), task("u", "0 3 * * *", "b")])
    document["tasks"][0]["host_count"] = document["tasks"][1]["host_count"] = 7
    document |= {"idle_tasks": []}
    document["hosts"][0]["task_count"] = 9
    with opened(browser, written(folder / "part.html", document)) as found:
        assert found.page.locator("#list td.on .number").all_text_contents() == ["1 of 7", "0 of 7"]
        found.page.evaluate(SHOW, "#view=hosts")
        assert found.page.locator("#list td.on .number").all_text_contents() == ["1 of 9"]
        assert found.said == []


def test_without_javascript_it_is_a_table_of_all_of_it(browser: Browser, usual_page: Path) -> None:
    with opened(browser, usual_page, script=False, width=DESKTOP) as found:
        page = found.page
        assert page.is_hidden("#app")
        assert page.get_by_role("heading", level=2).all_inner_texts() == [
            "12 tasks",
            "18 hosts",
            "What differs from main",
            "Live, 2026-10-22T09:20:00Z",
        ]
        said = page.inner_text("main.plain")
        missing = [name for key in ("tasks", "hosts") for name in (one["name"] for one in usual()[key]) if name not in said]
        assert missing == []
        assert "no host: mail-*" in said
        assert not found.overflows
        found.shoot("plain", full=True)


HARM = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>{{7*7}} <!-- \u202egnp.exe\u202c 👩‍💻 \u0000"
LONG = "x" * 10_000


def hostile() -> Document:
    words = {
        "description": HARM,
        "owner": HARM,
        "runbook": "javascript:alert(4)",
        "labels": {HARM: HARM},
        "user": HARM,
        "command": HARM + LONG,
    }
    tasks = [
        task(f"bad-{HARM}", "0 3 * * *", **words),
        task("long", "0 3 * * *", description=LONG, owner=LONG, pool=LONG, labels={"k": LONG}),
    ]
    tasks.append(task("argv", "0 3 * * *") | {"command": {"argv": [HARM, LONG]}, "source": {"path": HARM, "line": 1, "column": 1}})
    document = fleet(
        [host(f"host{HARM}", addresses=(HARM,), note=HARM), host("h" * 253)], tasks, source=HARM, notices=[HARM], filters={HARM: [HARM]}
    )
    return with_live(with_differences(document), lambda each: each | {"version": HARM, "paused": [HARM], "target": HARM})


PLACES = [
    *("view=tasks&", "view=hosts", "view=differences", "view=live", "host=" + "h" * 253, "task=long", "task=argv"),
    "task=%3Cimg%20src%3Dx%20onerror%3Dalert(5)%3E&q=%3Cscript%3Ealert(6)%3C/script%3E",
]


def test_texts_that_mean_harm_stay_texts_and_long_ones_in_their_place(browser: Browser, folder: Path) -> None:
    file = written(folder / "hostile.html", hostile())
    with opened(browser, file) as found:
        page = found.page
        for width in (DESKTOP, PHONE):
            page.set_viewport_size({"width": width, "height": 800})
            for place in PLACES:
                page.evaluate(SHOW, f"#{place}")
                assert not found.overflows, (width, place)
            page.evaluate(SHOW, "#view=tasks")
            with moved(page):
                page.locator("#list tbody .name", has_text="bad-").click()
            assert "javascript:alert(4)" in page.inner_text("#detail")
            assert "‹U+202E›gnp.exe‹U+202C›" in page.inner_text("#detail pre")
            assert page.locator("#detail img, #detail script, a[href^='javascript:']").count() == 0
            assert not found.overflows
            found.shoot(f"hostile-{width}")
        assert found.said == []
    with opened(browser, file, width=PHONE, script=False) as found:
        assert found.page.locator("img, svg").count() == 0
        assert not found.overflows


SCHEDULES = ["30 * * * *", "30 2 * * *", "* 22-1 * * *"]
CHANGES = [
    ("2026-10-22T09:20:00Z", ["Europe/Berlin", "Africa/Cairo", "Asia/Kathmandu", "UTC"]),
    ("2026-03-26T23:50:00Z", ["Europe/Berlin", "Asia/Beirut", "America/Santiago"]),
    ("2026-10-25T12:00:00Z", ["Africa/Cairo", "America/New_York", "America/Havana"]),
    ("2026-04-02T05:00:00Z", ["Australia/Lord_Howe", "Australia/Sydney", "Pacific/Chatham"]),
    ("2026-03-05T00:00:00.250Z", ["America/Havana", "America/St_Johns", "Pacific/Kiritimati"]),
    ("1970-01-01T00:00:00Z", ["America/New_York"]),
    ("2199-12-20T00:00:00Z", ["Asia/Tokyo"]),
]


@pytest.mark.parametrize(("moment", "zones"), CHANGES, ids=[moment for moment, _ in CHANGES])
def test_the_week_has_the_days_and_counts_that_the_calendar_has(browser: Browser, folder: Path, moment: str, zones: list[str]) -> None:
    """Against zoneinfo and the schedules themselves, in weeks in which clocks change, also at midnight and by half an hour."""
    tasks = [
        task(f"t{place}-{zone.lower().replace('/', '-')}", text, timezone=zone) for zone in zones for place, text in enumerate(SCHEDULES)
    ]
    file = written(folder / "weeks.html", fleet([host("a")], tasks, generated_at=moment))
    start = int(datetime.fromisoformat(moment).timestamp()) // 3600 * 3600
    with opened(browser, file) as found:
        for one in tasks:
            found.page.evaluate(SHOW, f"#task={one['name']}")
            shown = [(day, count.replace(",", "").replace("·", "0")) for day, count in found.page.evaluate(ROWS)]
            assert shown == expected_days(one["schedule"], one["timezone"], start), one["name"]
        assert found.said == []


def expected_days(text: str, zone: str, start: int) -> list[tuple[str, str]]:
    schedule = parse_schedule(text)
    assert isinstance(schedule, CronSchedule)
    clock = ZoneInfo(zone)
    found = takewhile(lambda instant: instant < (start + WEEK) * 1000, instants(schedule, clock, Instant(start * 1000 - 1)))
    counts = Counter(datetime.fromtimestamp(instant // 1000, clock).date() for instant in found)
    first, last = (datetime.fromtimestamp(second, clock).date() for second in (start, start + WEEK - 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(f"{day:%a} {day.day} {day:%b}", str(counts[day])) for day in days]
