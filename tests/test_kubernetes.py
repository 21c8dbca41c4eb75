"""profiles/kubernetes against a stand-in for the API server, which starts as processes what would be pods."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from stand_ins import write_notebook

ROOT = Path(__file__).resolve().parent.parent
missing = importlib.util.find_spec("snakemake_executor_plugin_kubernetes") is None
pytestmark = pytest.mark.skipif(missing, reason="pip install -e '.[kubernetes]'")


class Api(ThreadingHTTPServer):
    """As much of Kubernetes as the executor asks for. jobs: name -> (its body, its process)."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.jobs = folder, {}

    def run(self, body):
        container = body["spec"]["template"]["spec"]["containers"][0]
        name = body["metadata"]["name"]
        home = self.folder / name  # a pod's own files; all that it inherits is the image's PATH
        home.mkdir()
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(ROOT)}
        with open(self.folder / f"{name}.log", "w") as log:
            options = {"cwd": home, "env": environment, "stdout": log, "stderr": log}
            self.jobs[name] = body, subprocess.Popen(container["command"] + container["args"], **options)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, content, code=200, kind="application/json"):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            self.server.run(body)
        self.reply(body, 201)

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.reply({"status": "Success"})

    def do_GET(self):
        name = re.search(r"snakejob-[\w-]{36}", self.path)[0]
        code = self.server.jobs[name][1].poll()
        if self.path.endswith("/status"):
            status = {"failed": int(code not in (None, 0)), "succeeded": int(code == 0)}
            self.reply({"metadata": {"name": name}, "status": status})
        elif "/log?" in self.path and "previous=True" in self.path:
            self.reply({"reason": "BadRequest"}, 400)  # as Kubernetes, of a container that was never restarted
        elif "/log?" in self.path:
            self.reply((self.server.folder / f"{name}.log").read_bytes(), kind="text/plain")
        else:
            state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
            container = {"name": "snakemake", "state": state, "image": "", "imageID": "", "ready": True}
            status = {"containerStatuses": [container | {"restartCount": 0}]}
            self.reply({"items": [{"metadata": {"name": f"{name}-pod"}, "status": status}]})


@pytest.fixture
def api(tmp_path_factory):
    """The API server, at work; its pods are ended with it."""
    server = Api(tmp_path_factory.mktemp("pods"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    for _, process in server.jobs.values():
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def on_kubernetes(folder, api):
    """The study `small` in `folder` by the profile as it is; what Snakemake says."""
    shutil.copytree(ROOT / "profiles" / "kubernetes", folder / "profiles" / "kubernetes")
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "contexts": [context],
        "current-context": "c",
    }
    (folder / "kubeconfig").write_text(json.dumps(config | {"users": [{"name": "u", "user": {"token": "t"}}]}))
    environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "KERAS_BACKEND": "from the driver"}
    found = os.pathsep.join([str(folder / "profiles" / "kubernetes"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/kubernetes"]
    command += ["--config", "profile=small", "--seconds-between-status-checks", "1"]
    options = {"cwd": folder, "env": {**environment, "PYTHONPATH": found}, "text": True, "timeout": 600}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)


@pytest.mark.slow
def test_each_run_is_a_pod_with_what_the_profile_asks_for_and_one_that_fails_is_made_again(project, api):
    (project / "profiles/small.yaml").write_text("architectures: [vgg16]\nall: {EPOCHS: 3}\n")
    once = "from pathlib import Path\nif not Path('failed').exists(): Path('failed').touch(); raise OSError('gone')"
    write_notebook(project, "04_transfer_learning", once)
    write_notebook(project, "01_explore_data", "import os; print('backend', os.environ['KERAS_BACKEND'])")
    found = on_kubernetes(project, api)
    assert found.returncode == 0, found.stdout
    assert "FAILED  vgg16-transfer-seed0" in found.stdout and "OSError: gone" in found.stdout
    assert "Done in" in found.stdout
    assert "backend from the driver" in (project / "outputs/small/logs/explore.log").read_text()

    asked = {"with": [], "without": []}
    for body, _ in api.jobs.values():
        container = body["spec"]["template"]["spec"]["containers"][0]
        assert {"name": "study", "mountPath": "/study"} in container["volumeMounts"]
        limits = container["resources"]["limits"]
        assert (limits["cpu"], limits["memory"]) == ("4000m", "8000M")
        asked["with" if limits.get("nvidia.com/gpu") == "1" else "without"].append(container["args"][1])
    rules = {gpu: sorted(re.findall(r"--allowed-rules (\w+)", " ".join(commands))) for gpu, commands in asked.items()}
    assert rules["without"] == ["compare", "explore"]
    assert rules["with"] == ["finetune", "pretrain", "scratch", "transfer", "transfer"]
