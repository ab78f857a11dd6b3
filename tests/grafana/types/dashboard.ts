// What a dashboard of ours may hold, in the types that Grafana publishes of its own: the dashboard, and for each kind of panel its options.

import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from "@grafana/schema";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { FieldConfig as BandField, Options as BandOptions } from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type { FieldConfig as CellField, Options as TableOptions } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { FieldConfig as GraphField, Options as GraphOptions } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the values of enums, and cannot name them.
type Plain<T> = T extends string ? `${T}` : T extends (infer One)[] ? Plain<One>[] : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;

// A query of Prometheus; its types are in a package of their own, which has no release for this.
interface Target extends DataQuery {
  datasource: { type: "prometheus"; uid: string };
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: "time_series" | "table";
}

type Defaults<Field> = Omit<NonNullable<Panel["fieldConfig"]>["defaults"], "custom"> & { custom: Field };

interface Shown<Kind extends string, Options, Field> extends Omit<Panel, "type" | "options" | "targets" | "fieldConfig"> {
  type: Kind;
  options: Options;
  targets: Target[];
  fieldConfig: Omit<NonNullable<Panel["fieldConfig"]>, "defaults"> & { defaults: Defaults<Field> };
}

type AnyPanel =
  | Shown<"stat", StatOptions, Record<string, never>>
  | Shown<"timeseries", GraphOptions, GraphField>
  | Shown<"state-timeline", BandOptions, BandField>
  | Shown<"table", TableOptions, CellField>
  | RowPanel;

// Grafana's Prometheus reads these beside what its schema has of an annotation.
interface Annotation extends Omit<AnnotationQuery, "target"> {
  target: Target;
  titleFormat: string;
  textFormat: string;
  useValueForTime: boolean;
}

export type Checked = Plain<
  Omit<Dashboard, "panels" | "annotations"> & Required<Pick<Dashboard, "title" | "uid">> & { panels: AnyPanel[]; annotations: { list: Annotation[] } }
>;
export type CheckedPanel = Checked["panels"][number];
export type CheckedVariable = NonNullable<NonNullable<Checked["templating"]>["list"]>[number];
