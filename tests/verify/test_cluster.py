"""A real Dask scheduler on this machine, with three workers that are killed now and then."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Client

from verify import cluster, runner
from verify.cli import main
from verify.cluster import ClusterPool
from verify.code import Fingerprint
from verify.data import Dataset
from verify.errors import InputError
from verify.report.view import make_view
from verify.run import run
from verify.runner import Budget, Settings

PATIENCE = 120


@contextmanager
def dask(folder, workers):
    """A scheduler and so many workers, each with a nanny that replaces it; gives the address and the processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scheduler = _start("scheduler", "--host", "127.0.0.1", "--port", address.partition(":")[2])
    crew = _start("worker", address, "--nthreads", "1", "--nworkers", str(workers), "--local-directory", str(folder))
    try:
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                with Client(address, set_as_default=False) as client:
                    client.wait_for_workers(workers, timeout=PATIENCE)
                break
            except OSError:
                time.sleep(0.1)
        yield SimpleNamespace(workers=f"dask://{address}", address=address, scheduler=scheduler)
    finally:
        for process in (crew, scheduler):
            process.terminate()
            process.wait(timeout=PATIENCE)


def _start(what, *arguments):
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    with dask(tmp_path_factory.mktemp("dask"), 3) as started:
        yield started


def numbers(results):
    return json.dumps({key: value for key, value in results.items() if key != "times"})


def statement(results, identifier):
    return next(item for item in results["statements"] if item["id"] == identifier)


class KillAWorker:
    """As the progress of a run: kills a worker once so many pieces are done, and remembers which."""

    def __init__(self, address, after):
        self.address, self.after, self.killed = address, after, None

    def __call__(self, owner, done, total):
        if done >= self.after and self.killed is None:
            with Client(self.address, set_as_default=False) as client:
                self.killed = min(client.run(os.getpid).values())
            os.kill(self.killed, signal.SIGKILL)


def test_a_worker_killed_in_mid_run_changes_nothing(three, toy, tmp_path):
    folder = toy(body="time.sleep(0.02)")
    kill = KillAWorker(three.address, after=8)
    settings = Settings(folders=(folder,), sequential=False, budget=Budget(4.0), workers=three.workers)
    far = run(["coin"], settings, tmp_path / "far", report=False, progress=kill).results
    here = run(
        ["coin"], Settings(folders=(folder,), sequential=False, budget=Budget(4.0)), tmp_path / "here", report=False
    ).results
    assert kill.killed is not None
    assert numbers(far) == numbers(here)
    assert far["times"]["workers"] == three.workers
    assert f"on the workers of {three.workers}" in json.dumps(make_view(far), default=str)


def test_workers_that_join_later_are_told_what_they_need(three, toy, tmp_path):
    folder = toy(body="time.sleep(0.02)")

    def renew(owner, done, total):
        if done in (3, 6):
            # As if they had just started.
            with Client(three.address, set_as_default=False) as client:
                client.run(exec, "from verify import cluster; cluster._states.clear()")

    settings = Settings(folders=(folder,), workers=three.workers)
    far = run(["coin"], settings, tmp_path / "far", report=False, progress=renew).results
    here = run(["coin"], Settings(folders=(folder,)), tmp_path / "here", report=False).results
    assert numbers(far) == numbers(here)


def test_a_chunk_that_kills_its_worker_is_an_error_of_its_own_point(three, toy, tmp_path):
    toy("coin")
    folder = toy("deadly-coin", body="import os; point['p'] < 0.3 and os._exit(7)")
    settings = Settings(folders=(folder,), workers=three.workers)
    results = run(["coin", "deadly-coin"], settings, tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "holds"
    deadly = statement(results, "deadly-coin")["checks"][0]["points"]
    assert [point["verdict"]["outcome"] for point in deadly] == ["holds", "error"]
    assert "died" in deadly[1]["verdict"]["text"]


def test_an_error_of_a_sampler_is_its_own_whatever_its_type(three, toy, tmp_path):
    folder = toy(body="raise ConnectionError('the coin is out of reach')")
    results = run(["coin"], Settings(folders=(folder,), workers=three.workers), tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["text"].count("ConnectionError: the coin is out of reach")


def test_a_users_data_travel_to_the_workers(three, toy, tmp_path):
    folder = toy(body='assert draw.data.samples == 6, "no data"')
    with (tmp_path / "modules" / "coin.py").open("a") as module:
        module.write(
            "from dataclasses import replace\n"
            "check = replace(STATEMENT.checks[0], data_points=lambda data: (Point(p=0.4),))\n"
            "STATEMENT = replace(STATEMENT, checks=(check,))\n"
        )
    data = Dataset.from_arrays(np.eye(6), np.array([0, 1, 0, 1, 0, 1]))
    settings = [Settings(folders=(folder,), data=data, workers=workers) for workers in (three.workers, 1)]
    far, here = (run(["coin"], each, tmp_path / str(n), report=False).results for n, each in enumerate(settings))
    assert statement(far, "coin")["checks"][0]["points"][0]["counts"]["trials"] > 0
    assert numbers(far) == numbers(here)


@pytest.mark.parametrize("change", ["packages", "statements"])
def test_workers_with_another_verify_are_refused(three, toy, tmp_path, monkeypatch, change):
    ours = runner.fingerprint

    def other(*arguments):
        found = ours(*arguments)
        parts = vars(found) | {change: {name: "1.2.3" for name in getattr(found, change)}}
        return Fingerprint(**parts)

    monkeypatch.setattr(runner, "fingerprint", other)
    settings = Settings(folders=(toy(),), workers=three.workers)
    expected = {"packages": r"worker tcp://\S+ has .*numpy .*, not 1.2.3", "statements": "has other code for coin"}
    with pytest.raises(InputError, match=expected[change]):
        run(["coin"], settings, tmp_path / "out", report=False)


def test_workers_that_lack_a_folder_of_statements_are_refused(three, toy, tmp_path, monkeypatch):
    moved = runner.Surroundings
    monkeypatch.setattr(runner, "Surroundings", lambda folders, *rest: moved((str(tmp_path / "elsewhere"),), *rest))
    with pytest.raises(InputError, match=r"the worker tcp://\S+ cannot find what the run needs: --path"):
        run(["coin"], Settings(folders=(toy(),), workers=three.workers), tmp_path / "out", report=False)


def test_the_backend_is_that_of_the_workers(three, monkeypatch):
    with ClusterPool(three.address) as pool:
        monkeypatch.setattr(pool._client, "run", lambda *_, **__: {"a": ("cupy", ""), "b": ("cupy", "")})
        assert pool.backend("auto") == "cupy"
        monkeypatch.setattr(
            pool._client, "run", lambda *_, **__: dict(a=("cupy", ""), b=("numpy", ""), c=("numpy", ""))
        )
        with pytest.raises(InputError, match="backend auto means cupy on a; numpy on b, c"):
            pool.backend("auto")
        monkeypatch.setattr(pool._client, "run", lambda *_, **__: {"a": ("cupy", ""), "b": ("", "no device")})
        with pytest.raises(InputError, match="backend cupy is not there on all workers; b: no device"):
            pool.backend("cupy")
        monkeypatch.setattr(
            pool._client, "run", lambda *_, **__: {"a": ModuleNotFoundError("No module named 'verify'")}
        )
        with pytest.raises(InputError, match=r"the worker a cannot be used .*No module named 'verify'.*install"):
            pool.backend("auto")
        monkeypatch.undo()
        assert pool.backend("numpy") == "numpy"


def test_the_array_backend_of_a_run_is_used_by_the_workers(three, toy, tmp_path):
    folder = toy(body="assert draw.backend.name == 'array-api-strict'")
    settings = Settings(folders=(folder,), backend="array-api-strict", workers=three.workers)
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "holds"


def test_a_cluster_without_workers_is_given_up_in_the_end(three, monkeypatch):
    with ClusterPool(three.address) as pool:
        monkeypatch.setattr(pool._client, "nthreads", dict)
        pool.check()
        monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.0)
        with pytest.raises(OSError, match="has had no worker for 0 s"):
            pool.check()


def test_a_scheduler_that_is_lost_ends_the_run_and_keeps_its_chunks(toy, tmp_path, capsys, monkeypatch):
    folder, out = toy(body="time.sleep(0.02)"), tmp_path / "out"
    with dask(tmp_path, 1) as started:

        def lose(owner, done, total):
            if done == 5:
                started.scheduler.kill()

        settings = Settings(folders=(folder,), sequential=False, budget=Budget(4.0), workers=started.workers)
        with pytest.raises(OSError, match=r"the Dask scheduler at tcp://.* was lost"):
            run(["coin"], settings, out, report=False, progress=lose)
        assert not (out / "results.json").exists()
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ((kept,),) = ledger.execute("SELECT count(*) FROM chunks")
    assert kept == 4, "the fifth piece was a step"
    resumed = run(["coin"], replace(settings, workers=1), out, resume=True, report=False).results
    fresh = run(
        ["coin"], Settings(folders=(folder,), sequential=False, budget=Budget(4.0)), tmp_path / "b", report=False
    ).results
    assert numbers(resumed) == numbers(fresh)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.5)
    with pytest.raises(SystemExit) as stop:
        main(["run", "coin", "--path", folder, "--out", str(tmp_path / "c"), "--workers", started.workers])
    assert stop.value.code == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
