// Shows the tasks that are looked for. The choice outlives a refresh: it is made again after each.

const byId = (id) => document.getElementById(id);

function applyFilter() {
  const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...byId("table").tBodies[0].rows];
  let shown = 0;
  for (const row of rows) {
    const text = words.length ? row.cells[0].textContent.toLowerCase() : "";
    const isWanted = words.every((word) => text.includes(word)) && (!byId("only").checked || row.classList.contains("trouble"));
    if (row.hidden === isWanted) row.hidden = !isWanted;
    shown += isWanted;
  }
  const count = shown === rows.length ? "" : `${shown} of ${rows.length} tasks`;
  if (byId("count").textContent !== count) byId("count").textContent = count;
}

byId("filter").hidden = false;
byId("filter").addEventListener("input", applyFilter);
byId("filter").addEventListener("submit", (event) => event.preventDefault());
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  event.preventDefault();
  byId("q").focus();
});

// A link to a task that is filtered away shows it.
addEventListener("hashchange", () => {
  const row = byId(decodeURIComponent(location.hash.slice(1)));
  if (!row?.hidden) return;
  byId("filter").reset();
  applyFilter();
  row.scrollIntoView();
});
applyFilter();
