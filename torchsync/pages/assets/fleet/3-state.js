// What is looked at is in the fragment of the address, so that a link shows somebody else the same, and the back button goes back.

const VIEWS = ["tasks", "hosts", "unmatched", "idle", "differences", "live"];
const FILTERS = ["q", "owner", "label", "on", "runs"];
const UNFILTERED = Object.fromEntries(FILTERS.map((key) => [key, ""]));

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { view: VIEWS.includes(given.get("view")) ? given.get("view") : "tasks", open: null };
  for (const key of FILTERS) state[key] = given.get(key) || "";
  if (given.get("task")) state.open = { kind: "task", name: given.get("task") };
  else if (given.get("host")) state.open = { kind: "host", name: given.get("host") };
  return state;
}

function fragmentOf(state) {
  const given = new URLSearchParams();
  if (state.open) given.set(state.open.kind, state.open.name);
  if (state.view !== "tasks") given.set("view", state.view);
  for (const key of FILTERS) if (state[key]) given.set(key, state[key]);
  return `#${given}`;
}

let state = readState();

function linkTo(change) {
  return fragmentOf({ ...state, ...change });
}

function linkToItem(item) {
  return linkTo({ open: { kind: item.kind, name: item.name } });
}

// Typing replaces the address, opening something is a step that the back button takes back.
function replaceState(change) {
  state = { ...state, ...change };
  history.replaceState(null, "", fragmentOf(state));
  renderList();
  if (state.open) renderDetail();
}

function go(change) {
  location.hash = linkTo(change);
}
