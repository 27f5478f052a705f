"""Airflow's REST API, as the command line uses it: start a run, look at it, link to it."""

from __future__ import annotations

import time
from typing import Any, Self
from urllib.parse import quote

import httpx

from include.errors import InvalidJobError, StackError

__all__ = ["AirflowClient"]


class AirflowClient:
    """A session with one Airflow, used in a ``with``; the token is asked for again when it has expired."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": username, "password": password}
        self._http = httpx.Client(base_url=self.url, timeout=30)
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One authenticated request.

        Raises:
            StackError: Airflow does not answer, or refuses the login.
        """
        for attempt in (1, 2, 3):
            try:
                if not self._token:
                    answer = self._http.post("/auth/token", json=self._login)
                    if answer.status_code == 401:
                        break
                    answer.raise_for_status()
                    self._token = answer.json()["access_token"]
                headers = {"Authorization": f"Bearer {self._token}"}
                response = self._http.request(method, path, headers=headers, **kwargs)
            except httpx.HTTPError as error:
                if attempt == 3:
                    raise StackError(
                        f"Airflow at {self.url} does not answer ({type(error).__name__}); see ./voiceman status."
                    ) from error
                time.sleep(attempt)
                continue
            if response.status_code == 401 and attempt < 3:
                self._token = ""
                continue
            return response
        raise StackError(f"Airflow at {self.url} refuses the login; check the admin password.")

    def start(self, job_id: str, run_id: str, **options: str) -> str:
        """Start the DAG ``process``; returns the run's id.

        Args:
            job_id: the job.
            run_id: the id that the run gets.
            options: the trigger form's other fields; those left out take the form's defaults.

        Raises:
            InvalidJobError: Airflow refuses the parameters.
            StackError: Airflow can't be reached or does not know the DAG.
        """
        body = {
            "dag_run_id": run_id,
            "logical_date": None,
            "conf": {"job_id": job_id, **options},
        }
        response = self.call("POST", "/api/v2/dags/process/dagRuns", json=body)
        if response.status_code in (400, 422):
            raise InvalidJobError(f"Airflow refuses the job {job_id}: {response.json().get('detail', response.text)}")
        if response.status_code not in (200, 409):  # 409: this very run was started before
            raise StackError(f"Airflow did not start the job ({response.status_code}: {response.text[:200]}).")
        return run_id

    def wait_for_dag(self, timeout_s: float = 120) -> None:
        """Wait until the DAG processor has read the DAG ``process``."""
        deadline = time.monotonic() + timeout_s
        while self.call("GET", "/api/v2/dags/process").status_code != 200:
            if time.monotonic() > deadline:
                raise StackError(f"Airflow did not read dags/process.py within {timeout_s:g} s; see ./voiceman status.")
            time.sleep(0.5)

    def state(self, run_id: str) -> str:
        """A run's state: ``queued``, ``running``, ``success`` or ``failed``."""
        run = self.call("GET", f"/api/v2/dags/process/dagRuns/{quote(run_id, safe='')}")
        if run.status_code != 200:
            raise StackError(f"Airflow does not know the run {run_id} ({run.status_code}).")
        return str(run.json()["state"])

    def link(self, run_id: str) -> str:
        """The run's page in the Airflow UI."""
        return f"{self.url}/dags/process/runs/{quote(run_id, safe='')}"
