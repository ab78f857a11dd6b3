// One task or one host, beside the list.

const panel = byId("detail");

function renderDetail() {
  const item = state.open && (state.open.kind === "task" ? taskNamed : hostNamed).get(state.open.name);
  const wasOpen = !panel.hidden;
  panel.hidden = !state.open;
  document.body.classList.toggle("opened", Boolean(state.open));
  if (!state.open) return wasOpen;
  const content = !item ? unknown(state.open) : state.open.kind === "task" ? taskDetail(item) : hostDetail(item);
  const close = el("a", { class: "close", href: linkTo({ open: null }), "aria-label": "Close, back to the list" }, "×");
  panel.replaceChildren(close, ...content.flat(Infinity).filter(Boolean));
  panel.scrollTop = 0;
  return false;
}

function heading(kind, text, badges) {
  return [el("p", { class: "kind" }, kind), el("h2", { id: "opened", tabindex: "-1" }, given(text)), badges && el("p", { class: "badges" }, badges)];
}

function unknown({ kind, name }) {
  const seen = kind === "host" && liveNamed.get(name);
  const words = seen ? "Prometheus hears it, and hosts.yaml does not name it." : `This page has no ${kind} of that name.`;
  return [heading(kind === "task" ? "Task" : "Host", name), note(words), seen && liveDetail(seen)];
}

function section(title, ...children) {
  return el("section", {}, el("h3", {}, title), ...children);
}

// Only what is there: a list of [word, value].
function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return el("dl", {}, rows.map(([word, value]) => el("div", {}, el("dt", {}, word), el("dd", {}, value))));
}

function webLink(text) {
  return /^https?:\/\//i.test(text) ? el("a", { href: text, rel: "noopener noreferrer" }, given(text)) : given(text);
}

function taskDetail(task) {
  return [
    heading("Task", task.name, taskBadges(task)),
    task.description && el("p", { class: "description" }, given(task.description)),
    section("Command", el("pre", { tabindex: "0" }, given(commandText(task)))),
    task.type === "cron" && taskWeekDetail(task),
    section("Definition", taskFacts(task)),
    task.live.length > 0 && section("Live", liveTable(task.live, "Host", (each) => linkNamed("host", each.host.name))),
    data.has_inventory && section(`Hosts (${number(task.on.length)})`, task.on.length ? linkList(task.on) : note(noHosts(task))),
  ];
}

function noHosts(task) {
  return task.host_count ? "On none of the hosts of this page." : "No host of the inventory is selected.";
}

function taskFacts(task) {
  const labelled = labelTexts(task);
  return facts([
    ["Schedule", task.schedule && [code(task.schedule), " in ", given(task.timezone)]],
    ["Jitter", task.jitter_seconds && `up to ${lengthText(task.jitter_seconds)}`],
    ["Owner", task.owner && given(task.owner)],
    ["Severity", task.severity],
    ["Runbook", task.runbook && webLink(task.runbook)],
    ["Runs on", task.selectors ? task.selectors.map(code) : "every host"],
    ["User", given(task.user ? [task.user, task.group].filter(Boolean).join(":") : "the host's default user")],
    ["Folder", task.working_dir && code(task.working_dir)],
    ["Timeout", task.timeout_seconds ? lengthText(task.timeout_seconds) : task.type === "cron" && "none"],
    ["At once", task.max_running ? plural(task.max_running, "copy", "copies") : "no limit"],
    ["When full", task.overlap],
    ["When missed", task.misfire],
    ["Pool", task.pool && given(task.pool)],
    ["Shell", task.command.shell && task.command.shell !== "/bin/sh" && given(task.command.shell)],
    ["Labels", labelled.length > 0 && labelled.map(chip)],
    ["Written in", code(`${task.source.path}:${task.source.line || 1}`)],
  ]);
}

function taskWeekDetail(task) {
  const title = "The next seven days";
  if (!task.enabled) return section(title, note("Disabled: it has no instants."));
  if (task.too_many) return section(title, note("Its times differ by host, on too many hosts for this page: `torchsync next` tells them."));
  if (!differsByHost(task)) return section(title, weekOf(task, task.on[0]));
  if (!task.on.length) return section(title, note("Its times differ by host."));
  const place = el("div");
  const choice = el("select", {}, task.on.map((host, index) => el("option", { value: index }, visible(host.name))));
  const draw = () => place.replaceChildren(...weekOf(task, task.on[Number(choice.value)]));
  choice.addEventListener("change", draw);
  draw();
  return section(title, el("p", {}, el("label", {}, "Its times differ by host; those on ", choice)), place);
}

function weekOf(task, host) {
  const week = weeks[weekNumber(task, host)];
  if (!week) return [note("hosts.yaml gives no zone for this host, so only the host knows.")];
  if (!week.count) return [note(isAtBoot(task) ? "Once after each boot." : "Not in these days.")];
  const [fires, zone] = [[{ task, week, delay: delayOf(task, host) }], zoneOf(task, host)];
  const seconds = fires[0].delay;
  const delay = seconds > 0 && note(`Jitter there: ${seconds.toLocaleString("en")} s after each instant, which is in these times.`);
  const dense = week.bands && note(`${number(week.count)} fires: too many to list.`);
  return [el("p", { class: "zone" }, `by the clock of ${visible(zone)}`), chart(fires, zone), delay, dense, agenda(fires, zone, 10)].filter(Boolean);
}

function hostDetail(host) {
  const fires = firesOn(host);
  const seen = liveNamed.get(host.name);
  const zone = host.zone || "UTC";
  return [
    heading("Host", host.name, seen && liveBadges(seen)),
    facts([
      ["Addresses", host.addresses && given(host.addresses.join(", "))],
      ["Labels", host.labels && labelTexts(host).map(chip)],
      ["Zone", host.zone ? given(host.zone) : "not in hosts.yaml: UTC is shown here"],
    ]),
    seen && liveDetail(seen),
    fires.length > 0 && section("The next seven days", chart(fires, zone), agenda(fires.filter(({ week }) => week.series), zone, 20)),
    section(`Tasks (${number(host.tasks.length)})`, host.tasks.length ? hostTasks(host) : note(noTasks(host))),
  ];
}

function noTasks(host) {
  return host.task_count ? "None of the tasks of this page." : "No task is for this host.";
}

function hostTasks(host) {
  const line = (task) => {
    const week = weeks[weekNumber(task, host)];
    const label = week && `${number(week.count)} fires in seven days`;
    const when = task.type === "daemon" ? soft("kept running") : code(task.schedule);
    const picture = week ? strip(slotsOf(week), clocksOf(host.zone || "UTC"), label) : el("span");
    return el("li", {}, el("div", {}, link(task), taskBadges(task).slice(0, 2)), when, picture, count(week ? number(week.count) : ""));
  };
  return el("ul", { class: "lines" }, host.tasks.map(line));
}

function liveDetail(host) {
  const list = (names) => names && linkList(names.map((name) => taskNamed.get(name) || name), 20);
  return section(
    "Live",
    facts([
      ["State", STATES[host.state] + (host.state !== "up" && host.last_seen ? `, heard ${since(host.last_seen)}` : "")],
      ["Runs", host.running && [code(host.running), host.running_since && ` for ${spanSince(host.running_since)}`]],
      ["Turned down", host.rejected && el("code", {}, host.rejected)],
      ["Last sync", host.last_sync && since(host.last_sync)],
      ["Lacks", list(host.missing)],
      ["Has besides", list(host.extra)],
      ["Target", host.target && given(host.target)],
    ]),
    host.tasks.length > 0 && liveTable(host.tasks, "Task", (each) => linkNamed("task", each.name)),
  );
}

// What runs where and how it went, those in trouble first.
function liveTable(all, head, who, most = 30) {
  const ago = (seconds) => (seconds < 0 ? "never" : `${lengthText(seconds)} ago`);
  const word = ({ failures, late, paused, running }) => [
    failures > 0 && badge("bad", plural(failures, "failure"), "in a row"),
    late && badge("warn", "late"),
    paused && badge("kind", "paused"),
    running > 0 && badge("added", "runs now"),
  ];
  const sorted = [...all].sort((a, b) => isTrouble(b) - isTrouble(a) || b.paused - a.paused);
  const row = (each) => {
    const there = each.since < 0 ? "–" : lengthText(each.since);
    return el("tr", {}, el("th", { scope: "row" }, who(each), " ", word(each)), el("td", {}, ago(each.succeeded)), el("td", {}, there));
  };
  const body = el("tbody", {}, sorted.slice(0, most).map(row));
  const table = tableOf("agenda", [head, "Last success", "There for"], body);
  if (sorted.length <= most) return table;
  const more = el("button", { type: "button", class: "more" }, `and ${number(sorted.length - most)} more`);
  more.addEventListener("click", () => {
    more.remove();
    body.append(...sorted.slice(most).map(row));
  });
  return [table, more];
}
