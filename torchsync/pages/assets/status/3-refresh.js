// Fetches the page again from time to time while somebody can see it, and puts in what is different.

const EVERY = Number(document.body.dataset.every) * 1000;
const LIVE = ["head", "now", "attention", "refusals", "runs", "none", "foot"];
let isPaused = false;
let isAsking = false;
let fetchedAt = Date.now();

// An XMLHttpRequest makes a document, without scripts run, of the answer: no text becomes markup here. The address is that of the page, which a proxy
// may have put below another.
function fetchPage() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname);
    request.responseType = "document";
    request.timeout = 15_000;
    request.onload = () => (request.status === 200 && request.response?.getElementById("table") ? resolve(request.response) : reject());
    request.onerror = request.ontimeout = reject;
    request.send();
  });
}

function show(fresh) {
  for (const id of LIVE) patch(byId(id), fresh.getElementById(id));
  patch(byId("tasks-title"), fresh.getElementById("tasks-title"));
  const rows = fresh.getElementById("table").tBodies[0];
  for (const row of rows.rows) if (byId(row.id)?.hidden) row.hidden = true; // as it is; the filter judges anew below
  patch(byId("table").tBodies[0], rows);
  byId("table").hidden = fresh.getElementById("table").hidden;
  applyFilter();
  if (document.title !== fresh.title) {
    document.title = fresh.title;
    byId("news").textContent = fresh.title;
  }
}

function told(isGone) {
  const text = isGone ? `The agent does not answer. What is shown is of ${new Date(fetchedAt).toLocaleTimeString()}.` : "";
  byId("gone").hidden = !isGone;
  document.body.classList.toggle("gone", isGone);
  if (isGone) document.title = `${document.querySelector("h1").textContent}: does not answer`; // a tab is often all that is seen
  if (byId("gone").textContent !== text) byId("gone").textContent = text;
}

async function refresh() {
  if (isPaused || isAsking || document.hidden) return;
  isAsking = true;
  document.body.dataset.asks = "";
  try {
    show(await fetchPage());
    fetchedAt = Date.now();
    told(false);
  } catch {
    told(true);
  } finally {
    isAsking = false;
    delete document.body.dataset.asks;
  }
}

byId("pause").hidden = false;
byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  refresh();
});
document.addEventListener("visibilitychange", () => {
  if (Date.now() - fetchedAt >= EVERY) refresh();
});
setInterval(refresh, EVERY);
