"""The demo's story, told to the stack of envoy/compose.yaml from outside: with the ports that it publishes
and `docker compose`, and nothing else.

What lives here: bringing the stack up, the story, taking it down. What does not: an engine and images,
which `run` provides. Nothing is timed: each step waits for the state that it is about, up to PATIENCE.
"""

import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "envoy" / "compose.yaml"
PROJECT = f"watershed-test-{os.getpid()}"
PATIENCE = 60.0
UNITS = [f"conversation-{number}" for number in range(1_000)]
# Grafana's image has no stand-in where no registry is reached.
GRAFANA = "grafana/grafana:11.6.1"
LONG_RUNNING = {
    "stable-a", "candidate-b", "candidate-c", "control-plane", "envoy", "prometheus",
    "postgres", "replica-1", "replica-2", "envoy-replicated",
    "clickhouse", "control-plane-clickhouse", "envoy-clickhouse", "nats",
}  # fmt: skip
PROFILES = ("postgres", "clickhouse", "nats")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


PORTS = {
    name: free_port()
    for name in (
        "API", "GATEWAY", "PROMETHEUS", "GRAFANA",
        "REPLICA_1", "REPLICA_2", "REPLICATED_GATEWAY",
        "CLICKHOUSE_API", "CLICKHOUSE_GATEWAY",
    )
}  # fmt: skip
ENVIRONMENT = (
    os.environ
    | {f"WATERSHED_{name}_PORT": str(port) for name, port in PORTS.items()}
    | {"WATERSHED_EXPOSURES_NATS": "nats://nats"}
)


def output(command, check=True):
    """Standard output of a command; where it fails, the story does."""
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr[-8000:]}")
    return done.stdout


def compose_command():
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


COMPOSE = [*compose_command(), "-f", str(FILE), "-p", PROJECT]
COMPOSE += [word for profile in PROFILES for word in ("--profile", profile)]


def compose(*arguments, check=True):
    return output([*COMPOSE, *arguments], check)


@functools.cache
def container(service):
    """The id of a service's container; starting one again keeps it."""
    return compose("ps", "-q", service).strip()


def inspect(service):
    return json.loads(output(["docker", "inspect", container(service)]))[0]


def eventually(what, probe):
    """The first true thing that `probe` gives; faults are tried again, and the last one is told."""
    end = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < end:
        try:
            if value := probe():
                return value
            last = value
        except (OSError, http.client.HTTPException, AssertionError, KeyError, IndexError) as fault:
            last = repr(fault)
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE} s; last: {last}")


def say(text):
    print(f"==> {text}", flush=True)


class Api:
    """One control plane."""

    def __init__(self, port, key):
        self.port = port
        self.headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = connection.getresponse()
            text = answer.read()
            assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
            return text
        finally:
            connection.close()

    def put_weights(self, **weights):
        named = {variant.replace("_", "-"): weight for variant, weight in weights.items()}
        self.ask("PATCH", "/v1/experiments/chat-model/weights", named)

    def counter(self, name):
        """The sum of a counter's samples in /metrics."""
        lines = self.ask("GET", "/metrics").decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


class Gateway:
    """One Envoy, over a connection that is kept."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def ask(self, unit):
        """The variant stamped for `unit`, and the model that answered."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps({"messages": [{"role": "user", "content": "hello"}]})
        try:
            headers = {"content-type": "application/json", "x-conversation-id": unit}
            self.connection.request("POST", "/v1/chat/completions", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        assert answer.status == 200, f"{answer.status} {text!r}"
        said = json.loads(text)
        received = said["received"]
        experiments = (received.get("x-experiment-id") or "").split(",")
        variants = (received.get("x-variant") or "").split(",")
        return dict(zip(experiments, variants)).get("chat-model"), said["model"]

    def ask_all(self):
        return {unit: self.ask(unit) for unit in UNITS}


def assert_split(answers, **weights):
    """Each variant within four standard deviations of its weight, and served by its own model."""
    counts = Counter(variant for variant, _ in answers.values())
    total = len(answers)
    for variant, weight in weights.items():
        share = weight / 10_000
        observed = counts.pop(variant.replace("_", "-"), 0)
        allowed = 4 * (total * share * (1 - share)) ** 0.5
        assert abs(observed - total * share) <= allowed, f"{variant}: {observed} of {total} at {share}"
        print(f"    {variant:<12} {share:7.2%} configured, {observed / total:7.2%} observed")
    assert not counts, f"not configured: {counts}"
    for variant, model in answers.values():
        assert model == {"stable": "stable-a"}.get(variant, variant), f"{variant} was answered by {model}"


def all_run_as_asked():
    say("Every container is healthy, of an ordinary user, and can't write its root file system")
    for service in sorted(LONG_RUNNING):
        eventually(f"{service} is healthy", lambda: inspect(service)["State"]["Health"]["Status"] == "healthy")
        found = inspect(service)
        user = output(["docker", "exec", found["Id"], "id", "-u"]).strip()
        assert user != "0", f"{service} runs as root"
        assert found["HostConfig"]["ReadonlyRootfs"], f"{service} can write"
        assert found["RestartCount"] == 0, f"{service} was started {found['RestartCount']} times more"
        bindings = (found["HostConfig"]["PortBindings"] or {}).values()
        hosts = {binding["HostIp"] for each in bindings for binding in each}
        assert hosts <= {"127.0.0.1"}, f"{service} listens on {hosts}"


def no_secret_is_in_an_image(key):
    say("No secret is in an image or in a container's settings")
    for image in ("watershed/control-plane:local", "watershed/envoy:local"):
        assert key not in output(["docker", "image", "inspect", image])
        assert key not in output(["docker", "history", "--no-trunc", image])
    for service in LONG_RUNNING:
        assert key not in json.dumps(inspect(service)), service


def one_control_plane(api, gateway):
    say("The split is as configured")
    eventually("requests are stamped", lambda: gateway.ask("first")[0])
    before = gateway.ask_all()
    assert_split(before, stable=7_000, candidate_b=2_000, candidate_c=1_000)
    assert gateway.ask_all() == before, "a conversation changed its variant"

    say("A live change of weights keeps the units of what grows")
    api.put_weights(stable=3_000, candidate_b=5_000, candidate_c=2_000)
    moves = next(unit for unit in UNITS if before[unit][0] == "stable")
    stayed = [unit for unit in UNITS if before[unit][0] == "candidate-b"][:200]
    eventually(
        "the change arrives",
        lambda: Counter(gateway.ask(unit)[0] for unit in UNITS[:400])["candidate-b"] > 140,
    )
    after = gateway.ask_all()
    assert_split(after, stable=3_000, candidate_b=5_000, candidate_c=2_000)
    assert all(after[unit][0] == "candidate-b" for unit in stayed), "a growing variant lost a unit"

    say("A rollback gives everybody the fallback")
    api.ask("POST", "/v1/experiments/chat-model/rollback")
    eventually("the rollback arrives", lambda: all(gateway.ask(unit)[1] == "stable-a" for unit in UNITS[:200]))
    api.ask("POST", "/v1/experiments/chat-model/resume")
    eventually("the resume arrives", lambda: all(gateway.ask(unit) == after[unit] for unit in UNITS[:200]))
    assert moves in after
    return after


def kill_envoy(gateway, expected):
    say("Kill Envoy, and start it: every conversation has its variant again")
    output(["docker", "kill", container("envoy")])
    compose("start", "envoy")
    eventually("Envoy serves", lambda: gateway.ask(UNITS[0]) == expected[UNITS[0]])
    assert {unit: gateway.ask(unit) for unit in UNITS[:500]} == {unit: expected[unit] for unit in UNITS[:500]}


def kill_a_replica(replicas, gateway):
    say("Two replicas: a change on one reaches the proxy, whichever it asked")
    eventually("requests are stamped", lambda: gateway.ask("first")[0])
    before = gateway.ask_all()
    assert_split(before, stable=7_000, candidate_b=2_000, candidate_c=1_000)

    connected = eventually("the proxy is connected", lambda: [one for one in replicas if has_proxy(replicas[one])])
    victim = connected[0]
    other = next(one for one in replicas if one != victim)
    say(f"Kill {victim}, which the proxy is connected to: no request fails, and {other} takes over")
    output(["docker", "kill", container(victim)])
    assert gateway.ask_all() == before
    replicas[other].put_weights(stable=5_000, candidate_b=4_000, candidate_c=1_000)
    eventually(
        "the change arrives by the other replica",
        lambda: Counter(gateway.ask(unit)[0] for unit in UNITS[:400])["candidate-b"] > 120,
    )
    compose("start", victim)
    eventually("the replica is back and knows the change", lambda: weights_of(replicas[victim])["candidate-b"] == 4_000)


def has_proxy(api):
    proxies = json.loads(api.ask("GET", "/v1/fleets/default/proxies"))
    return "edge-2" in json.dumps(proxies)


def weights_of(api):
    document = json.loads(api.ask("GET", "/v1/experiments/chat-model"))
    variants = document.get("spec", document)["variants"]
    return {variant["key"]: variant["weight"] for variant in variants}


def evidence(api, gateway):
    say("Evidence arrives: the access log comes back to the control plane")
    counted = "watershed_access_log_entries_total"
    before = api.counter(counted)
    for unit in UNITS[:100]:
        gateway.ask(unit)
    eventually("the control plane has counted the requests", lambda: api.counter(counted) >= before + 100)

    say("Prometheus has what the control planes and the proxies counted")
    prometheus = Api(PORTS["PROMETHEUS"], "none")

    def value(query):
        path = "/api/v1/query?query=" + query
        result = json.loads(prometheus.ask("GET", path))["data"]["result"]
        return float(result[0]["value"][1])

    # Envoy leaves the namespace `wasmcustom` of the filter's counters out.
    eventually("Prometheus has the proxy's assignments", lambda: value("sum(watershed_assignment)") >= 1_000)
    eventually("Prometheus has the evidence", lambda: value(f"sum({counted})") >= before + 100)
    asked = ("control-plane", "replica-1", "replica-2", "control-plane-clickhouse")
    for name in (*asked, "envoy", "envoy-replicated", "envoy-clickhouse"):
        eventually(f"Prometheus asks {name}", lambda: value(f"max(up%7Bcontainer=%22{name}%22%7D)") == 1)


def in_clickhouse(api, gateway):
    say("Profile clickhouse: what really ran is in ClickHouse, and results and exposures are read from there")
    eventually("requests are stamped", lambda: gateway.ask(UNITS[0])[0])
    answers = gateway.ask_all()
    assert_split(answers, stable=7_000, candidate_b=2_000, candidate_c=1_000)
    units = "SELECT uniqExact(unit) FROM evidence_units WHERE experiment = 'chat-model'"
    eventually("ClickHouse has every unit", lambda: clickhouse_says(units) == str(len(UNITS)))
    assigned = dict(Counter(variant for variant, _ in answers.values()))
    eventually("results count each variant's units", lambda: units_of(api) == assigned)
    # Raw exposures are shown some seconds after they came, when no other writer can be behind.
    eventually("exposures have every unit", lambda: exposed(api) == assigned)

    say("Kill ClickHouse under traffic: no request fails, and what came meanwhile is there in the end")
    rows = "SELECT count() FROM evidence_log WHERE experiment = 'chat-model'"
    before = int(clickhouse_says(rows))
    output(["docker", "kill", container("clickhouse")])
    assert gateway.ask_all() == answers
    eventually("ClickHouse is missed", lambda: api.counter("watershed_evidence_failures_total") > 0)
    compose("start", "clickhouse")
    eventually("ClickHouse has it all", lambda: int(clickhouse_says(rows)) == before + len(UNITS))
    assert units_of(api) == assigned, "a unit changed its variant"


def clickhouse_says(sql):
    """What ClickHouse answers itself, with its own user."""
    key = compose("exec", "-T", "control-plane", "cat", "/run/watershed/clickhouse-password").strip()
    headers = ["--header", "X-ClickHouse-User: watershed", "--header", f"X-ClickHouse-Key: {key}"]
    ask = ["wget", "-q", "-O", "-", *headers, "--post-data", sql, "http://127.0.0.1:8123/"]
    return output(["docker", "exec", container("clickhouse"), *ask]).strip()


def units_of(api):
    """The units of chat-model by variant, as its results count them."""
    return json.loads(api.ask("GET", "/v1/experiments/chat-model/results"))["units"]


def exposed(api):
    """The same from raw exposures."""
    lines = api.ask("GET", "/v1/exposures?experiment=chat-model").decode().splitlines()
    exposures = [json.loads(line) for line in lines]
    return dict(Counter(dict((it["unit_key"], it["variant"]) for it in exposures).values()))


def exposures_on_nats(api, gateway):
    say("Exposures go to NATS, and what comes while it is away waits for it")
    published = "watershed_exposures_published_total"

    def on_stream():
        text = compose("exec", "-T", "nats", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/jsz")
        return json.loads(text)["messages"]

    eventually("exposures are published", lambda: api.counter(published) >= 100)
    output(["docker", "kill", container("nats")])
    before = api.counter(published)
    for unit in UNITS[:100]:
        gateway.ask(unit)
    eventually("they wait", lambda: api.counter("watershed_exposures_behind_seconds") > 0)
    compose("start", "nats")
    eventually("they are published", lambda: api.counter(published) >= before + 100)
    eventually("the stream has them", lambda: on_stream() >= before + 100)


def dashboard():
    say("Prometheus takes every query of the dashboard")
    prometheus = Api(PORTS["PROMETHEUS"], "none")
    board = json.loads((ROOT / "envoy" / "grafana" / "watershed.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 15, "the dashboard lost its panels"

    def answered(query):
        query = query.replace("$__rate_interval", "1m").replace("$experiment", ".*")
        answer = json.loads(prometheus.ask("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        assert answer["status"] == "success", f"{query}: {answer}"
        return answer["data"]["result"]

    with_data = [query for query in queries if answered(query)]
    print(f"    {len(with_data)} of {len(queries)} queries have data; the others are about what did not go wrong")
    assert any("watershed_assignment" in query for query in with_data)
    assert any("envoy_cluster_upstream_rq_time_bucket" in query for query in with_data)


def grafana(found):
    if not found:
        print("skipped: Grafana, whose image can't be had here; its provisioning files are checked by name")
        folder = ROOT / "envoy" / "grafana" / "provisioning"
        for name in ("datasources/prometheus.yaml", "dashboards/watershed.yaml"):
            assert (folder / name).is_file(), name
        return
    say("Grafana has the dashboard")
    board = Api(PORTS["GRAFANA"], "none")
    board.headers = {}
    eventually("Grafana answers", lambda: b"ok" in board.ask("GET", "/api/health"))
    eventually("the dashboard is provisioned", lambda: board.ask("GET", "/api/dashboards/uid/watershed"))


def up():
    found = subprocess.run(["docker", "pull", "--quiet", GRAFANA], capture_output=True).returncode == 0
    services = LONG_RUNNING | ({"grafana"} if found else set())
    if os.environ.get("COMPOSE_TEST_BUILD") != "no":
        say("Build the images")
        compose("build")
    say("Bring everything up")
    compose("up", "-d", *sorted(services))
    return found


def main():
    try:
        with_grafana = up()
        key = compose("exec", "-T", "control-plane", "cat", "/run/watershed/api-key").strip()
        assert len(key) == 48, "the key was not made"
        all_run_as_asked()
        no_secret_is_in_an_image(key)
        api, gateway = Api(PORTS["API"], key), Gateway(PORTS["GATEWAY"])
        answers = one_control_plane(api, gateway)
        kill_envoy(gateway, answers)
        replicas = {f"replica-{n}": Api(PORTS[f"REPLICA_{n}"], key) for n in (1, 2)}
        kill_a_replica(replicas, Gateway(PORTS["REPLICATED_GATEWAY"]))
        evidence(api, gateway)
        in_clickhouse(Api(PORTS["CLICKHOUSE_API"], key), Gateway(PORTS["CLICKHOUSE_GATEWAY"]))
        exposures_on_nats(api, gateway)
        dashboard()
        grafana(with_grafana)
        say("A second start changes nothing: the secrets and what people changed stay")
        compose("up", "-d", "--force-recreate", "seed", "keys")
        eventually("the seed has ended", lambda: inspect_ended("seed") == 0)
        assert compose("exec", "-T", "control-plane", "cat", "/run/watershed/api-key").strip() == key
        assert weights_of(api)["candidate-b"] == 5_000
    except AssertionError as fault:
        print(compose("ps", check=False))
        print(compose("logs", "--tail", "40", check=False))
        print(f"compose-test: failed: {fault}")
        return 1
    finally:
        say("Take everything down")
        compose("down", "--volumes", "--remove-orphans", check=False)
    left = output(["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}"])
    assert not left, f"containers are left: {left}"
    print("compose-test: passed")
    return 0


def inspect_ended(service):
    # Recreated, so that its id is asked for each time; docker-compose 1 lists ended ones by itself.
    identity = compose("ps", "-a", "-q", service, check=False).strip() or compose("ps", "-q", service).strip()
    state = json.loads(output(["docker", "inspect", identity]))[0]["State"]
    return state["ExitCode"] if state["Status"] == "exited" else None


if __name__ == "__main__":
    sys.exit(main())
