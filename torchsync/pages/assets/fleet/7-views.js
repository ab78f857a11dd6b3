// The lists: one row for each task, host, difference or live host. Rows beyond the first ones are made when somebody gets near them, or prints.

const CHUNK = 24;
const TITLES = {
  tasks: "Tasks",
  hosts: "Hosts",
  unmatched: "Tasks without a host",
  idle: "Hosts without a task",
  differences: "Differences",
  live: "Live",
};
const list = byId("list");

// The rows of a view for what matches: {heads, items, row}.
function viewOf(name, found) {
  switch (name) {
    case "hosts":
      return { heads: hostHeads, items: found.hosts, row: hostRow };
    case "unmatched":
      return { heads: strayHeads, items: found.tasks.filter(isUnmatched), row: strayRow };
    case "idle":
      return { heads: idleHeads, items: found.hosts.filter(isIdle), row: idleRow };
    case "differences":
      return { heads: moveHeads, items: movesOf(found), row: moveRow };
    case "live":
      return { heads: liveHeads, items: liveOf(found), row: liveRow };
    default:
      return { heads: taskHeads, items: found.tasks, row: taskRow };
  }
}

const isUnmatched = ({ name }) => unmatched.has(name);
const isIdle = ({ name }) => idle.has(name);
const unmatched = new Set(data.idle_tasks);
const idle = new Set(data.idle_hosts);

function cell(name, ...children) {
  return el("td", { class: name, role: "cell" }, ...children);
}

// The cell that names the row.
function headCell(name, ...children) {
  return el("th", { class: name, scope: "row", role: "rowheader" }, ...children);
}

function row(item, ...cells) {
  return el("tr", { role: "row", class: state.open && state.open.name === item.name && state.open.kind === item.kind ? "opened" : null }, ...cells);
}

const taskHeads = { task: "Task", when: "When", next: "Next", week: "Next seven days", owner: "Owner", on: "Hosts" };
const hostHeads = { task: "Host", labels: "Labels", week: "Next seven days", on: "Tasks" };
const strayHeads = { task: "Task", when: "When", owner: "Owner", selectors: "Asks for" };
const idleHeads = { task: "Host", labels: "Labels", when: "Addresses" };
const moveHeads = { change: "Change", task: "Task or host", gains: "Gains", loses: "Loses" };
const liveHeads = { task: "Host", state: "State", runs: "Runs", last: "Synced", troubles: "Needs attention" };

function taskRow(task) {
  return row(task, taskCell(task), whenCell(task), nextCell(task), taskWeek(task), ownerCell(task), cell("on", hostsBrief(task)));
}

function taskCell(task) {
  return headCell("task", link(task), taskBadges(task), task.description && el("p", { class: "about" }, given(cut(task.description, 240))));
}

function taskBadges(task) {
  const failing = task.live.filter(({ failures }) => failures).length;
  const late = task.live.filter((each) => each.late).length;
  return [
    !task.enabled && badge("off", "disabled"),
    task.type === "daemon" && badge("kind", "daemon"),
    task.severity === "critical" && badge("critical", "critical"),
    failing > 0 && badge("bad", `fails on ${plural(failing, "host")}`),
    late > 0 && badge("warn", `late on ${plural(late, "host")}`),
  ];
}

function whenCell(task) {
  if (task.type === "daemon") return cell("when", soft("kept running"));
  return cell("when", code(task.schedule), soft(given(task.timezone)));
}

function isAtBoot(task) {
  return /^\s*@startup\s*$/i.test(task.schedule || "");
}

function nextCell(task) {
  if (Array.isArray(task.week)) return cell("next", soft("by host"));
  const week = weeks[weekNumber(task)];
  const next = week ? nextOf(week) : null;
  if (next === null) return laterCell(task);
  const date = wall(next, clocksOf(zoneOf(task)));
  return cell("next", el("span", { class: "clock" }, clockText(date)), soft(dayText(date)));
}

// Beyond the week only the moment itself is known, and not what clocks show then.
function laterCell(task) {
  if (!task.next) return cell("next", soft(isAtBoot(task) ? "after a boot" : "–"));
  const date = new Date(task.next);
  return cell("next", el("span", { class: "clock" }, `${clockText(date)} UTC`), soft(`${dayText(date)} ${date.getUTCFullYear()}`));
}

function taskWeek(task) {
  const numbers = [...new Set([task.week].flat())].filter((each) => each !== null && each !== undefined);
  const counts = numbers.map((each) => weeks[each].count);
  if (!counts.some(Boolean)) return cell("week", soft(task.too_many ? "by host" : "–"));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const text = least === most ? number(most) : `${number(least)}–${number(most)}`;
  const slots = union(numbers.map((each) => slotsOf(weeks[each])));
  return cell("week", strip(slots, clocksOf(zoneOf(task)), `${text} fires in seven days`), count(text));
}

function ownerCell(task) {
  if (!task.owner) return cell("owner", soft("–"));
  return cell("owner", el("a", { href: linkTo({ owner: task.owner, open: null }), title: "Only this owner" }, given(task.owner)));
}

function hostsBrief(task) {
  if (!data.has_inventory) return task.selectors ? task.selectors.map(code) : soft("every host");
  if (isUnmatched(task)) return badge("warn", "no host");
  const isEvery = task.on.length === hosts.length && hosts.length > 1;
  return [figure(partOf(task.on.length, task.host_count)), soft(isEvery ? "every host" : brief(task.on))];
}

// How many of them this page has, and of how many when that is more.
function partOf(here, all = 0) {
  return all > here ? `${number(here)} of ${number(all)}` : number(here);
}

function brief(items) {
  const first = items.slice(0, 2).map(({ name }) => visible(name)).join(", ");
  return items.length > 2 ? `${first}, …` : first;
}

function hostRow(host) {
  return row(host, hostCell(host), labelCell(host), hostWeek(host), cell("on", tasksBrief(host)));
}

function hostCell(host) {
  const seen = liveNamed.get(host.name);
  const about = [host.zone, ...(host.addresses || [])].filter(Boolean).join(" · ");
  return headCell("task", link(host), seen && liveBadges(seen).slice(0, 3), el("p", { class: "about" }, given(about)));
}

function labelCell(host) {
  const chips = labelTexts(host).map(chip);
  return cell("labels", chips.length ? chips : soft("–"));
}

function firesOn(host) {
  return host.tasks.map((task) => ({ task, week: weeks[weekNumber(task, host)], delay: delayOf(task, host) })).filter(({ week }) => week);
}

function hostWeek(host) {
  const all = firesOn(host).map(({ week }) => week);
  if (!all.length) return cell("week", soft("–"));
  const text = number(all.reduce((sum, week) => sum + week.count, 0));
  const slots = union([...new Set(all)].map(slotsOf));
  return cell("week", strip(slots, clocksOf(host.zone || "UTC"), `${text} fires in seven days`), count(text));
}

function tasksBrief(host) {
  if (isIdle(host)) return badge("warn", "nothing");
  return [figure(partOf(host.tasks.length, host.task_count)), soft(brief(host.tasks))];
}

function strayRow(task) {
  const selectors = task.selectors || [];
  return row(task, taskCell(task), whenCell(task), ownerCell(task), cell("selectors", selectors.map((text) => code(text))));
}

function idleRow(host) {
  const addresses = (host.addresses || []).join(", ");
  return row(host, headCell("task", link(host)), labelCell(host), cell("when", given(addresses), soft(given(host.zone || ""))));
}

// The differences of the tasks and hosts that match.
function movesOf(found) {
  if (!differences) return [];
  const kinds = [["task", differences.tasks, taskNamed, new Set(found.tasks)], ["host", differences.hosts, hostNamed, new Set(found.hosts)]];
  return kinds.flatMap(([kind, moves, named, set]) => {
    const isShown = ({ name }) => (named.has(name) ? set.has(named.get(name)) : isNameFound(kind, name));
    return moves.filter(isShown).map((move) => ({ ...move, kind }));
  });
}

function moveRow(move) {
  const others = move.kind === "task" ? hostNamed : taskNamed;
  const names = (list) => (list.length ? linkList(list.map((name) => others.get(name) || name), 8) : soft("–"));
  const fields = move.fields.length > 0 && el("p", { class: "about" }, given(`differs in ${move.fields.join(", ")}`));
  const words = { added: "new", removed: "gone", changed: "changed", same: "moved" };
  return row(
    move,
    cell("change", badge(move.change, words[move.change])),
    headCell("task", linkNamed(move.kind, move.name), " ", el("span", { class: "zone inline" }, move.kind), fields),
    cell("gains", names(move.gains)),
    cell("loses", names(move.loses)),
  );
}

// Live hosts, those in trouble first.
function liveOf(found) {
  if (!live) return [];
  const shown = new Set(found.hosts.map(({ name }) => name));
  const isShown = ({ name }) => (hostNamed.has(name) ? shown.has(name) : isNameFound("host", name));
  return live.hosts.filter(isShown).sort((a, b) => weight(b) - weight(a) || collator.compare(a.name, b.name));
}

function weight(host) {
  const failing = host.tasks.filter(isTrouble).length;
  const alarms = isSilent(host) * 1000 + Boolean(host.stalled) * 700 + Boolean(host.rejected) * 300;
  return alarms + isDrifting(host) * 200 + !host.known * 100 + Math.min(failing, 99);
}

// A host that neither hosts.yaml nor Prometheus has any more is gone, and not silent.
const isSilent = (host) => host.state !== "up" && (host.known || host.state === "down");

const isDrifting = (host) => Boolean(host.drifts || host.missing || host.extra);

function isTroubled(host) {
  return weight(host) > 0 || Boolean(host.state_degraded || host.facts_mismatch || host.sync_failures);
}

function liveBadges(host) {
  const failing = host.tasks.filter(({ failures }) => failures).length;
  const late = host.tasks.filter((task) => task.late).length;
  return [
    host.state === "down" && badge("bad", "silent", "Prometheus gets no answer from it"),
    host.state === "absent" && host.known && badge("bad", "silent", "Prometheus has no target for it"),
    host.stalled && badge("bad", "scheduler does not turn", "Its agent answers, and its scheduler does not turn; or its clock is behind"),
    !host.known && badge("warn", "not in hosts.yaml"),
    host.rejected && badge("bad", `turned down ${host.rejected.slice(0, 8)}`),
    host.drifts && badge("warn", "another commit"),
    host.missing && badge("warn", `lacks ${plural(host.missing.length, "task")}`),
    host.extra && badge("warn", `has ${number(host.extra.length)} besides`),
    failing > 0 && badge("bad", plural(failing, "task fails", "tasks fail")),
    late > 0 && badge("warn", plural(late, "task late", "tasks late")),
    host.sync_failures > 0 && badge("warn", `${plural(host.sync_failures, "sync", "syncs")} failed`),
    host.state_degraded && badge("bad", "cannot write its state"),
    host.facts_mismatch && badge("warn", "other facts than hosts.yaml"),
    host.pinned && badge("kind", "pinned"),
    ...(host.paused || []).map((scope) => badge("kind", `paused: ${visible(scope)}`)),
  ].filter(Boolean);
}

const STATES = { up: "up", down: "down", absent: "absent" };

function spanSince(text) {
  return lengthText(Math.max(0, data.made - Date.parse(text) / 1000));
}

function since(text) {
  return text ? `${spanSince(text)} ago` : "–";
}

function liveRow(host) {
  const badges = liveBadges(host);
  const seen = host.state !== "up" && host.last_seen ? `heard ${since(host.last_seen)}` : "";
  return row(
    { kind: "host", name: host.name },
    headCell("task", linkNamed("host", host.name), host.version && el("p", { class: "about" }, given(`torchsync ${host.version}`))),
    cell("state", el("span", { class: `state ${isSilent(host) ? "silent" : host.state}` }, STATES[host.state]), seen && soft(seen)),
    cell(host.running ? "runs" : "runs none", host.running ? code(host.running.slice(0, 12)) : "–", host.running_since && soft(`for ${spanSince(host.running_since)}`)),
    cell(host.last_sync ? "last" : "last none", since(host.last_sync)),
    cell(badges.length ? "troubles" : "troubles none", badges.length ? badges : soft("–")),
  );
}

// What is shown now, how much of it is made already.
const shown = { view: null, made: 0, body: null };

function renderRows(view, found) {
  const heads = Object.entries(view.heads).map(([name, text]) => el("th", { scope: "col", class: name, role: "columnheader" }, text));
  const body = el("tbody", { role: "rowgroup" });
  const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads));
  const table = el("table", { class: `rows ${state.view}`, role: "table", "aria-labelledby": "what" }, head, body);
  Object.assign(shown, { view, made: 0, body });
  renderMore();
  list.replaceChildren(view.items.length ? table : nothing(found));
}

function renderMore(most = CHUNK) {
  const { view, made, body } = shown;
  body.append(...view.items.slice(made, made + most).map(view.row));
  shown.made = Math.min(view.items.length, made + most);
  byId("end").hidden = shown.made >= view.items.length;
}

const CALM = {
  tasks: "There are no tasks.",
  hosts: "hosts.yaml names no host.",
  unmatched: "Every task has a host.",
  idle: "Every host has a task.",
  differences: "Nothing differs.",
  live: "Prometheus knows no host.",
};

function nothing(found) {
  const filtered = FILTERS.some((key) => state[key]);
  if (!filtered) return el("p", { class: "nothing" }, CALM[state.view]);
  const other = state.view === "hosts" ? "tasks" : "hosts";
  const count = found[other].length;
  const words = `${plural(count, other.slice(0, -1))} ${count === 1 ? "matches" : "match"}`;
  const elsewhere = count > 0 && [el("a", { href: linkTo({ view: other }) }, words), " · "];
  return el("p", { class: "nothing" }, "Nothing matches here. ", elsewhere, el("a", { href: linkTo(UNFILTERED) }, "Show everything"));
}
