// What the page shows, as it came with the page, with both directions of "who runs what". Names that others made are shown as text, never as markup.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const { hosts, tasks, differences, live } = data;
const hostNamed = new Map(hosts.map((host) => [host.name, host]));
const taskNamed = new Map(tasks.map((task) => [task.name, task]));
const liveNamed = new Map((live ? live.hosts : []).map((host) => [host.name, host]));

for (const task of tasks) {
  task.kind = "task";
  task.on = [];
  task.live = [];
}
for (const host of hosts) {
  host.kind = "host";
  host.tasks = data.sets[host.set].map((place) => tasks[place]);
  for (const task of host.tasks) task.on.push(host);
}

// A live task as it came: place or name, then how many seconds ago (-1 for never) it came to the host, ran last and succeeded last.
function readLive(host, [place, since, ran = -1, succeeded = -1, failures = 0, running = 0, flags = ""]) {
  const task = tasks[place] || null;
  const [paused, late] = ["p", "l"].map((flag) => flags.includes(flag));
  const found = { name: task ? task.name : place, since, ran, succeeded, failures, running, host, paused, late };
  if (task) task.live.push(found);
  return found;
}

function isTrouble({ failures, late }) {
  return failures > 0 || late;
}

for (const host of liveNamed.values()) host.tasks = host.tasks.map((task) => readLive(host, task));

function labelTexts(item) {
  return Object.entries(item.labels || {}).map(([key, value]) => `${key}=${value}`);
}

function commandText(task) {
  const { text, argv } = task.command;
  return text ?? argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}

function wordsOf(list) {
  return list.filter(Boolean).join("\n").toLowerCase();
}

for (const task of tasks) {
  const { name, description, owner, schedule, user, pool, source } = task;
  task.words = wordsOf([name, description, owner, schedule, commandText(task), user, pool, source.path, ...labelTexts(task)]);
}
for (const host of hosts) host.words = wordsOf([host.name, ...(host.addresses || []), host.zone, ...labelTexts(host)]);

const collator = new Intl.Collator("en", { numeric: true });

function distinct(values) {
  return [...new Set(values)].sort(collator.compare);
}

const owners = distinct(tasks.map((task) => task.owner).filter(Boolean));
const labels = distinct([...hosts, ...tasks].flatMap(labelTexts));
