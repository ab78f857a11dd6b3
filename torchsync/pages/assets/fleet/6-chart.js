// The week of a task or a host, a row for each day of a zone, by what its clocks show. Where they change, the hour that is skipped or shown twice is
// hatched.

// `fires` is a list of {week, delay}.
function chart(fires, zone) {
  const clocks = clocksOf(zone);
  const rows = daysOf(clocks).map((day) => chartRow(day, fires, clocks));
  const axis = el("div", { class: "axis", "aria-hidden": "true" }, ...[0, 6, 12, 18, 24].map((hour) => el("span", {}, two(hour))));
  return el("div", { class: "chart" }, axis, ...rows, ...daysOf(clocks).filter((day) => day.change !== null).map((day) => changeNote(day, clocks)));
}

function chartRow(day, fires, clocks) {
  const marks = new Set();
  const pieces = piecesOf(day, clocks);
  let bands = "";
  let sum = 0;
  for (const { week, delay } of fires) {
    for (const time of timesOf(week)) {
      if (time + delay < day.start || time + delay >= day.end) continue;
      marks.add(Math.round(sinceMidnight(time + delay, clocks) / 60));
      sum += 1;
    }
    for (const [from, until, each] of stretchesOf(week)) {
      sum += (Math.max(0, Math.min(until, day.end) - Math.max(from, day.start)) / SLOT) * each;
      bands += pieces.map(([first, end]) => bandPath(Math.max(first, from), Math.min(end, until), clocks)).join("");
    }
  }
  const picture = svg(
    "svg",
    { viewBox: "0 0 1440 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "outside", d: outsidePath(day, clocks) }),
    svg("path", { class: "hours", d: [6, 12, 18].map((hour) => `M${hour * 60} 0v20`).join("") }),
    svg("path", { class: "bands", d: bands }),
    svg("path", { class: "marks", d: [...marks].map((minute) => `M${minute} 2v16`).join("") }),
    day.change !== null && svg("path", { class: "change", d: changePath(day, clocks) }),
  );
  const counted = count(sum ? number(sum) : "·", el("span", { class: "unseen" }, sum === 1 ? " fire" : " fires"));
  return el("div", { class: "day" }, el("span", { class: "label" }, day.label), el("div", { class: "track" }, picture), counted);
}

// The parts of a day in which its clock runs on evenly.
function piecesOf(day, clocks) {
  const end = Math.min(day.end, WEEK);
  return day.change !== null && day.change < end ? [[day.start, day.change], [day.change, end]] : [[day.start, end]];
}

function bandPath(from, until, clocks) {
  if (until <= from) return "";
  const width = (until - from) / 60;
  return `M${sinceMidnight(from, clocks) / 60} 2h${width}v16h-${width}z`;
}

// What of the first and the last day is not in the week.
function outsidePath(day, clocks) {
  const before = day.start === 0 ? sinceMidnight(0, clocks) / 60 : 0;
  const after = day.end > WEEK ? sinceMidnight(WEEK, clocks) / 60 : 1440;
  return `M0 0h${before}v20h-${before}z` + `M${after} 0h${1440 - after}v20h${after - 1440}z`;
}

function changePath(day, clocks) {
  const [before, after] = [offsetAt(clocks, day.change - 1), offsetAt(clocks, day.change)];
  const [from, until] = [before, after].map((offset) => ofDay(data.start + day.change + offset) / 60).sort((a, b) => a - b);
  let path = "";
  for (let minute = from; minute < until; minute += 12) path += `M${minute} 20l8 -20`;
  return path;
}

function changeNote(day, clocks) {
  const shown = (offset) => clockText(new Date((data.start + day.change + offset) * 1000));
  const [before, after] = [offsetAt(clocks, day.change - 1), offsetAt(clocks, day.change)];
  const what = after > before ? "go forward" : "go back";
  const length = (day.end - day.start) / HOUR;
  return note(`${day.label}: the clocks ${what} from ${shown(before)} to ${shown(after)}; that day has ${length} hours.`);
}

// The next fires, by the clock of the zone and by UTC. `fires` is a list of {week, delay, task}.
function agenda(fires, zone, most) {
  const clocks = clocksOf(zone);
  const coming = fires.flatMap(({ week, delay, task }) => {
    const times = timesOf(week).map((time) => time + delay).filter((time) => time > madeAt);
    return times.slice(0, most).map((time) => ({ time, task }));
  });
  coming.sort((a, b) => a.time - b.time);
  if (!coming.length) return null;
  const many = fires.length > 1;
  const rows = coming.slice(0, most).map(({ time, task }) => agendaRow(time, many ? task : null, clocks, zone));
  const heads = [zone, ...(zone === "UTC" ? [] : ["UTC"]), ...(many ? ["Task"] : [])];
  return tableOf("agenda", heads, el("tbody", {}, rows));
}

function agendaRow(time, task, clocks, zone) {
  const shown = (date) => [`${dayText(date)} `, el("b", {}, clockText(date))];
  const utc = zone !== "UTC" && el("td", {}, shown(wall(time, UTC)));
  return el("tr", {}, el("td", {}, shown(wall(time, clocks))), utc, task && el("td", {}, link(task)));
}
