"""The options that this Airflow and its installed providers know, from their own descriptions."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution, entry_points
from typing import Any

import yaml

Options = dict[tuple[str, str], dict[str, Any]]


@cache
def known_options() -> Options:
    """(section, option) in lower case to its description; Airflow itself is not imported."""
    path = distribution("apache-airflow-core").locate_file("airflow/config_templates/config.yml")
    found = _flatten(yaml.safe_load(path.read_text(encoding="utf-8")))
    for entry in entry_points(group="apache_airflow_provider"):
        found |= _flatten(entry.load()().get("config", {}))
    return found


def _flatten(sections: dict[str, Any]) -> Options:
    return {
        (section.lower(), option.lower()): details
        for section, body in sections.items()
        for option, details in body["options"].items()
    }
