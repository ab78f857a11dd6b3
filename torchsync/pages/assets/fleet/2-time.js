// Weeks and clocks. Seconds everywhere, counted from the start of the week. The offsets of the zones and their changes came with the page, so what
// it shows does not depend on the zone data of the browser.

const HOUR = 3600;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const SLOT = 900;
const SLOTS = WEEK / SLOT;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const UTC = [[0, 0]];

// The moment the page was made; what is earlier in its week has passed.
const madeAt = data.made - data.start;

function clocksOf(zone) {
  return data.clocks[zone] || UTC;
}

function offsetAt(clocks, second) {
  return clocks.reduce((offset, [since, value]) => (since <= second ? value : offset), clocks[0][1]);
}

// A Date whose UTC fields are what the clock of the zone shows then.
function wall(second, clocks) {
  return new Date((data.start + second + offsetAt(clocks, second)) * 1000);
}

function ofDay(second) {
  return ((second % DAY) + DAY) % DAY;
}

function sinceMidnight(second, clocks) {
  return ofDay(data.start + second + offsetAt(clocks, second));
}

function two(number) {
  return String(number).padStart(2, "0");
}

function dayText(date) {
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

function clockText(date) {
  const seconds = Math.floor(date.getUTCSeconds());
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${seconds ? `:${two(seconds)}` : ""}`;
}


// A length of time in the largest unit of which there are two.
function lengthText(seconds) {
  const units = [["days", DAY], ["h", HOUR], ["min", 60]];
  const [unit, size] = units.find(([, each]) => seconds >= 2 * each) || ["s", 1];
  return `${number(Math.round(seconds / size))} ${unit}`;
}

function number(value) {
  return Math.round(value).toLocaleString("en");
}

function placeOf(task, host) {
  task.places ||= new Map(task.on.map((each, place) => [each, place]));
  return task.places.get(host) ?? 0;
}

// The number of the week of the task on the host; null when it has none, or when it is not known here.
function weekNumber(task, host) {
  return (Array.isArray(task.week) ? task.week[placeOf(task, host)] : task.week) ?? null;
}

function delayOf(task, host) {
  return task.delays ? (task.delays[placeOf(task, host)] ?? 0) / 1000 : 0;
}

const weeks = data.weeks.map((week) => ({ ...week, count: countOf(week) }));

function countOf({ series, bands }) {
  return series ? series.reduce((sum, [, , count]) => sum + count, 0) : bands.reduce((sum, [slots, each]) => sum + slots * each, 0);
}

// The instants of a week that is listed, ascending.
function timesOf(week) {
  week.times ||= (week.series || []).flatMap(([first, step, count]) => Array.from({ length: count }, (_, place) => first + step * place));
  return week.times;
}

// The stretches of a week that is counted: [from, until, fires each slot].
function stretchesOf(week) {
  if (week.stretches) return week.stretches;
  let slot = 0;
  week.stretches = [];
  for (const [slots, each] of week.bands || []) {
    if (each) week.stretches.push([slot * SLOT, (slot + slots) * SLOT, each]);
    slot += slots;
  }
  return week.stretches;
}

// For each quarter of an hour whether anything fires in it.
function slotsOf(week) {
  if (week.slots) return week.slots;
  week.slots = new Uint8Array(SLOTS);
  for (const time of timesOf(week)) week.slots[Math.floor(time / SLOT)] = 1;
  for (const [from, until] of stretchesOf(week)) week.slots.fill(1, from / SLOT, until / SLOT);
  return week.slots;
}

function differsByHost(task) {
  return Array.isArray(task.week) || Boolean(task.delays);
}

// The first instant after the page was made; jitter comes on top of it.
function nextOf(week) {
  const stretch = stretchesOf(week).find(([, until]) => until > madeAt);
  if (stretch) return Math.max(stretch[0], madeAt);
  return timesOf(week).find((each) => each > madeAt) ?? null;
}

// The zone that the task is told in there.
function zoneOf(task, host) {
  if (task.timezone !== "local") return task.timezone || "UTC";
  return (host || task.on[0] || {}).zone || "UTC";
}

// The days of the week in a zone, in seconds; `change` is when its clocks change on that day.
function daysOf(clocks) {
  const days = [];
  for (let start = 0; start < WEEK; ) {
    const midnight = start + DAY - sinceMidnight(start, clocks);
    const [since, offset] = clocks.slice(1).find(([moment]) => moment >= start && moment <= midnight) || [null, 0];
    // a clock that is put beyond midnight ends the day, one that is put back begins its last hour anew
    const end = since === null || since === start ? midnight : Math.max(since, midnight - offset + offsetAt(clocks, start));
    days.push({ label: dayText(wall(start, clocks)), start, end, change: since !== null && since < end ? since : null });
    start = end;
  }
  return days;
}
