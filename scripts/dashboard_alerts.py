"""The row of the fleet's dashboard that says what pages somebody."""

from __future__ import annotations

from scripts.grafana import Column, Kind, Panel, Row, query

RUNBOOKS = "https://torchsync.example.org/docs/how-to/alerts.md#the-alerts"
# Alerts of a whole fleet have no instance.
FIRING = """max by (alertname, severity, instance, task, owner) (
  ALERTS{job=~"$job|", instance=~"$instance|", alertname=~"Torchsync.+", alertstate="firing"})"""

ALARMS = Row(
    title="Alerts",
    panels=(
        Panel(
            title="Firing alerts",
            description="What pages somebody just now, by the rules of `grafana/rules`. A click on an alert leads to what it means.",
            kind=Kind.TABLE,
            width=24,
            height=6,
            columns=(
                Column(title="alert", label="alertname", link=RUNBOOKS),
                Column(title="severity", label="severity"),
                Column(title="host", label="instance"),
                Column(title="task", label="task"),
                Column(title="owner", label="owner"),
                Column(query=query(FIRING)),
            ),
            none="none",
        ),
    ),
)
