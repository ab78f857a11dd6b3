// Which tasks and hosts are shown. A filter holds for what it names and for what runs there: the owner of a task also picks the hosts it runs on.

// A name with `*` or `?` is a pattern for the whole of it, anything else a part of it.
function matcher(pattern) {
  const text = pattern.trim().toLowerCase();
  if (!text) return () => true;
  if (!/[*?]/.test(text)) return (name) => name.includes(text);
  const parts = text.split("").map((sign) => (sign === "*" ? ".*" : sign === "?" ? "." : sign.replace(/[\\^$.|+()[\]{}]/, "\\$&")));
  const expression = new RegExp(`^${parts.join("").replace(/(\.\*)+/g, ".*")}$`);
  return (name) => expression.test(name);
}

// Whether a name is shown of which nothing else is known here: what is gone, or what only Prometheus knows.
function isNameFound(kind, name) {
  const [own, other] = kind === "task" ? [state.runs, state.on] : [state.on, state.runs];
  const words = state.q.toLowerCase().split(/\s+/);
  return !state.owner && !state.label && !other && matcher(own)(name) && words.every((word) => name.toLowerCase().includes(word));
}

function matching(state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const isFound = (item) => words.every((word) => item.words.includes(word));
  const [isHost, isTask] = [matcher(state.on), matcher(state.runs)];
  const isOwned = (task) => !state.owner || task.owner === state.owner;
  const isLabelled = (item) => !state.label || labelTexts(item).includes(state.label);

  const namedHosts = new Set(hosts.filter((host) => isHost(host.name)));
  const labelledHosts = new Set(hosts.filter(isLabelled));
  const ownTasks = new Set(tasks.filter((task) => isTask(task.name) && isOwned(task)));
  const labelledTasks = new Set(tasks.filter(isLabelled));
  const anyOf = (list, set) => list.some((item) => set.has(item));

  const byTasks = state.runs || state.owner;
  return {
    tasks: tasks.filter(
      (task) =>
        ownTasks.has(task) &&
        isFound(task) &&
        (!state.on || anyOf(task.on, namedHosts)) &&
        (!state.label || labelledTasks.has(task) || anyOf(task.on, labelledHosts)),
    ),
    hosts: hosts.filter(
      (host) =>
        namedHosts.has(host) &&
        isFound(host) &&
        (!byTasks || anyOf(host.tasks, ownTasks)) &&
        (!state.label || labelledHosts.has(host) || anyOf(host.tasks, labelledTasks)),
    ),
  };
}
