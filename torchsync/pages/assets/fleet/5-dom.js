// Elements. A text from the repository is shown with its invisible characters told by number, apart from the direction of the text around it.

const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;
const SVG = "http://www.w3.org/2000/svg";

function visible(text) {
  return String(text).replace(INVISIBLE, (sign) => `‹U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// Words of others, isolated.
function given(text) {
  return el("bdi", {}, visible(text));
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

const soft = (...words) => el("span", { class: "zone" }, words);
const note = (...words) => el("p", { class: "note" }, words);
const count = (...words) => el("span", { class: "count" }, words);
const figure = (text) => el("span", { class: "number" }, text);
const code = (text) => el("code", {}, given(text));

function chip(text) {
  return el("a", { class: "chip", href: linkTo({ label: text, open: null }), title: "Only this label" }, given(text));
}

function tableOf(name, heads, body) {
  return el("table", { class: name }, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), body);
}

function badge(kind, text, title) {
  return el("span", { class: `badge ${kind}`, title }, text);
}

function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

function link(item) {
  return el("a", { class: "name", href: linkToItem(item) }, given(item.name));
}

function linkNamed(kind, name) {
  const item = (kind === "task" ? taskNamed : hostNamed).get(name);
  return item ? link(item) : el("span", { class: "name" }, given(name));
}

// A list of links that is as long as one asks for.
function linkList(items, most = 60) {
  const list = el("ul", { class: "names" });
  const add = (some) => list.append(...some.map((item) => el("li", {}, typeof item === "string" ? given(item) : link(item))));
  add(items.slice(0, most));
  if (items.length <= most) return list;
  const more = el("button", { type: "button", class: "more" }, `and ${number(items.length - most)} more`);
  more.addEventListener("click", () => {
    more.remove();
    add(items.slice(most));
  });
  return [list, more];
}

function after(slots, value, from) {
  const place = slots.indexOf(value, from);
  return place < 0 ? SLOTS : place;
}

// A mark wherever something fires, as the path of a picture.
function marksOf(slots) {
  let marks = "";
  for (let from = slots.indexOf(1); from >= 0; ) {
    const end = after(slots, 0, from);
    const next = slots.indexOf(1, end);
    const room = (next < 0 ? SLOTS : next) - from;
    const width = Math.max(end - from, Math.min(6, room / 2));
    marks += `M${from} 3h${width}v14h-${width}z`;
    from = next;
  }
  return marks;
}

const keptMarks = new WeakMap();
const keptBorders = new WeakMap();

function kept(map, key, make) {
  if (!map.has(key)) map.set(key, make(key));
  return map.get(key);
}

// Seven days as one line, days apart.
function strip(slots, clocks, label) {
  const marks = kept(keptMarks, slots, marksOf);
  const borders = kept(keptBorders, clocks, () => daysOf(clocks).slice(1).map(({ start }) => `M${start / SLOT} 0v20`).join(""));
  const picture = { class: "strip", viewBox: `0 0 ${SLOTS} 20`, preserveAspectRatio: "none", role: "img", "aria-label": label };
  return svg("svg", picture, svg("path", { class: "borders", d: borders }), svg("path", { class: "marks", d: marks }));
}

function union(list) {
  if (list.length === 1) return list[0];
  const all = new Uint8Array(SLOTS);
  for (const slots of list) for (let slot = 0; slot < SLOTS; slot++) all[slot] |= slots[slot];
  return all;
}
