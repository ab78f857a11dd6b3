// What people do: type, choose, follow links, go back, press keys, print.

const search = byId("q");
const controls = Object.fromEntries(FILTERS.map((key) => [key, byId(key)]));

function renderList() {
  const found = matching(state);
  renderTabs(found);
  const view = viewOf(state.view, found);
  renderRows(view, found);
  const whole = viewOf(state.view, { tasks, hosts }).items.length;
  const nouns = { tasks: "task", hosts: "host", unmatched: "task", idle: "host", differences: "difference", live: "host" };
  const isPart = view.items.length < whole;
  byId("what").textContent = TITLES[state.view];
  const all = plural(whole, nouns[state.view]);
  byId("count").textContent = isPart ? `${number(view.items.length)} of ${all}` : all;
  byId("clear").hidden = !FILTERS.some((key) => state[key]);
  const chosen = FILTERS.filter((key) => state[key]).map((key) => `${FILTER_WORDS[key]}: ${visible(state[key])}`);
  byId("filtered").textContent = chosen.join(" · ");
  byId("about").textContent = aboutText();
}

// Against what the differences and the live state are held.
function aboutText() {
  if (state.view === "differences" && differences) {
    const { base, base_source: words } = differences;
    return `compared with ${visible(words)}${base ? ` (${base.slice(0, 12)})` : ""}`;
  }
  if (state.view !== "live" || !live) return "";
  const asked = new Date(live.asked_at);
  return `held against ${live.head || "no commit"}, as ${visible(live.prometheus)} knew it on ${dayText(asked)} at ${clockText(asked)} UTC`;
}

const FILTER_WORDS = { q: "search", owner: "owner", label: "label", on: "host", runs: "task" };

const TABS = { ...TITLES, unmatched: "No host", idle: "Idle hosts" };

function tabCounts(found) {
  const counts = { tasks: found.tasks.length };
  if (data.has_inventory) {
    counts.hosts = found.hosts.length;
    counts.unmatched = found.tasks.filter(isUnmatched).length;
    counts.idle = found.hosts.filter(isIdle).length;
  }
  if (differences) counts.differences = movesOf(found).length;
  if (live) counts.live = liveOf(found).filter(isTroubled).length;
  return counts;
}

function renderTabs(found) {
  const counts = tabCounts(found);
  const tab = ([view, count]) => {
    const calls = ["unmatched", "idle", "live"].includes(view) && count > 0;
    const title = view === "live" ? "hosts that need attention" : null;
    const tally = el("span", { class: calls ? "tally calls" : "tally", title }, number(count));
    return el("li", {}, el("a", { href: linkTo({ view, open: null }), "aria-current": view === state.view && "page" }, TABS[view], tally));
  };
  byId("tabs").replaceChildren(...Object.entries(counts).map(tab));
  const current = byId("tabs").querySelector("[aria-current]");
  if (current) byId("tabs").scrollLeft = current.parentElement.offsetLeft - 40; // on a phone not all tabs are in sight
}

function renderControls() {
  for (const [key, control] of Object.entries(controls)) if (document.activeElement !== control) control.value = state[key];
}

function render() {
  renderControls();
  renderList();
  const closed = renderDetail();
  document.title = state.open ? `${visible(state.open.name)} · Fleet` : "Fleet";
  if (state.open) byId("opened").focus({ preventScroll: true });
  else if (closed) focusRow(lastOpened);
}

let lastOpened = null;

addEventListener("hashchange", () => {
  if (state.open) lastOpened = state.open;
  state = readState();
  render();
});

for (const [key, control] of Object.entries(controls)) control.addEventListener("input", () => replaceState({ [key]: control.value }));
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("clear").addEventListener("click", () => {
  replaceState(UNFILTERED);
  for (const control of Object.values(controls)) control.value = "";
  search.focus();
});
byId("more").addEventListener("click", ({ currentTarget }) => {
  const isOpen = byId("filters").classList.toggle("open");
  currentTarget.setAttribute("aria-expanded", String(isOpen));
});

function fillChoices() {
  controls.owner.append(...owners.map((owner) => el("option", { value: owner }, cut(visible(owner), 60))));
  controls.label.append(...labels.map((label) => el("option", { value: label }, cut(visible(label), 60))));
}

// The names to choose from are only made for somebody who is about to choose.
for (const [id, items] of [["on", hosts], ["runs", tasks]]) {
  const offer = () => byId(`${id}-names`).replaceChildren(...items.map(({ name }) => el("option", { value: name })));
  controls[id].addEventListener("focus", offer, { once: true });
}

function rowLinks() {
  return [...list.querySelectorAll("tbody tr > .task > .name[href]")];
}

function focusRow(item) {
  const wanted = item && rowLinks().find((each) => each.textContent === visible(item.name));
  (wanted || search).focus({ preventScroll: !wanted });
}

function step(by) {
  const links = rowLinks();
  const place = links.indexOf(document.activeElement);
  const next = links[place + by] || (place < 0 ? links[0] : null);
  if (next) next.focus();
  else if (by < 0) search.focus();
  if (place + by > links.length - 5 && shown.made < shown.view.items.length) renderMore();
}

function escape() {
  if (state.open) return go({ open: null });
  if (document.activeElement === search && search.value) {
    search.value = "";
    return replaceState({ q: "" });
  }
  return document.activeElement.blur();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  const inSearch = document.activeElement === search;
  const isArrow = event.key === "ArrowDown" || event.key === "ArrowUp";
  if (event.key === "/" && !inField) search.select();
  else if (event.key === "Escape") escape();
  else if (isArrow && (inSearch || (!inField && !panel.contains(document.activeElement)))) step(event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Enter" && inSearch) step(1);
  else return;
  event.preventDefault();
});

new IntersectionObserver(([end]) => end.isIntersecting && renderMore(), { rootMargin: "600px" }).observe(byId("end"));
addEventListener("beforeprint", () => {
  renderMore(Infinity);
  for (const more of document.querySelectorAll(".more")) more.click();
});

function renderAge() {
  const age = Date.now() / 1000 - data.made;
  const old = byId("age");
  old.hidden = age < (live ? HOUR : 2 * DAY); // who is up is soon no news any more
  old.textContent = `This is the fleet of ${lengthText(age)} ago.`;
}

byId("blocked").remove();
byId("app").hidden = false;
fillChoices();
renderAge();
render();
