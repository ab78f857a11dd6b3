// Each of these is a mistake, and tsc says so when it does not see it: that it passes a dashboard is worth something.

import type { Checked, CheckedPanel, CheckedVariable } from "./dashboard";

declare const dashboard: Checked;
declare const stat: Extract<CheckedPanel, { type: "stat" }>;
declare const graph: Extract<CheckedPanel, { type: "timeseries" }>;

// Without a mistake nothing is said.
export const right = [dashboard satisfies Checked, stat satisfies CheckedPanel, graph satisfies CheckedPanel];

export const wrong = {
  // @ts-expect-error no such key
  key: { ...dashboard, titel: "fleet" } satisfies Checked,
  // @ts-expect-error a text is wanted
  refresh: { ...dashboard, refresh: 5 } satisfies Checked,
  // @ts-expect-error no such kind of panel
  kind: { ...stat, type: "graph" } satisfies CheckedPanel,
  // @ts-expect-error no such key of a panel
  panel: { ...stat, unit: "s" } satisfies CheckedPanel,
  // @ts-expect-error no such value of an option
  option: { ...stat, options: { ...stat.options, colorMode: "loud" } } satisfies CheckedPanel,
  // @ts-expect-error no such option of this kind
  foreign: { ...graph, options: { ...graph.options, textMode: "name" } } satisfies CheckedPanel,
  // @ts-expect-error no such way to draw
  draw: { ...graph, fieldConfig: { ...graph.fieldConfig, defaults: { ...graph.fieldConfig.defaults, custom: { drawStyle: "dots" } } } } satisfies CheckedPanel,
  // @ts-expect-error no such kind of variable
  variable: { name: "job", type: "search" } satisfies CheckedVariable,
};
