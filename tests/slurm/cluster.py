"""A Slurm of two nodes on this machine, for as long as a test lasts: the controller and the nodes' real daemons.

Debian's slurmd can be several nodes on one machine. Each has a GPU that is counted and handed out like a real one, and
is none. The settings are in /etc/slurm, since that is where srun looks for them within a job of Snakemake.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

NODES = ("node1", "node2")
SETTINGS = Path("/etc/slurm")
OURS = "# Written by tests/slurm/cluster.py for a test; it is removed at its end.\n"

CONFIGURATION = """ClusterName=rehearsal
SlurmctldHost=localhost
SlurmctldPort=26817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job of a lost node waits for as long as a credential is valid before it starts again; by default two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={logs}/slurmctld.log
SlurmdLogFile={logs}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# A node that does not answer for so many seconds is lost; by default 300.
SlurmdTimeout=15
MinJobAge=7200
# More than two nodes may have together, on a small machine; nothing holds a job to what it asked for.
SlurmdParameters=config_overrides
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=32000 Gres=gpu:1\n"
PARTITION = f"PartitionName=main Nodes={','.join(NODES)} Default=YES State=UP\n"
# Any file that exists stands for a device; the job sees its number in CUDA_VISIBLE_DEVICES, 0 on both nodes.
GPU = "NodeName={name} Name=gpu File=/dev/null\n"


class Cluster:
    """`with Cluster(logs):` starts it, and always stops it. logs: the absolute path of a folder for logs."""

    def __init__(self, logs):
        self.logs = Path(logs)

    def __enter__(self):
        if os.geteuid():
            raise SystemExit("Slurm's daemons want to be started by root.")
        existing = SETTINGS / "slurm.conf"
        if existing.exists() and not existing.read_text().startswith(OURS):
            raise SystemExit(f"This machine has a Slurm already: {existing} is there. Nothing was changed.")
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short, as a socket's path has to be
        try:
            self._configure()
            self._start_munge()
            run("slurmctld")
            for node in NODES:
                self.start_node(node)
            self.wait_for_nodes()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _configure(self):
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        SETTINGS.mkdir(exist_ok=True)
        nodes = "".join(NODE.format(name=name, port=26901 + index) for index, name in enumerate(NODES))
        text = OURS + CONFIGURATION.format(folder=self.folder, logs=self.logs) + nodes + PARTITION
        (SETTINGS / "slurm.conf").write_text(text)
        (SETTINGS / "gres.conf").write_text(OURS + "".join(GPU.format(name=name) for name in NODES))

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        files["log-file"] = "munge.log"
        run("munged", "--force", *(f"--{option}={self.folder / name}" for option, name in files.items()))

    def start_node(self, node):
        """Start a node's daemon."""
        run("slurmd", "-N", node)

    def wait_for_nodes(self, seconds=60):
        """Until all nodes can take jobs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = query("sinfo", "--noheader", "--Node", "--format=%T").split()
            if len(states) == len(NODES) and all(state in ("idle", "mixed", "allocated") for state in states):
                return
            time.sleep(0.5)
        raise SystemExit(f"Slurm's nodes did not come up: {states}. See {self.logs}")

    def lose(self, node):
        """Kill a node as a power cut does: its daemon and all its jobs' processes at once. Returns how many."""
        return kill([*self._daemon(node), *processes_of("SLURMD_NODENAME", node)])

    def stop(self):
        """End the jobs and the daemons, and remove the settings in /etc/slurm."""
        for node in NODES:
            self.lose(node)
        kill([*self._daemon("slurmctld"), *self._daemon("munge")])
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _daemon(self, name):
        """The process of a daemon, and the slurmctld's helper below it; none if it does not run."""
        try:
            process = psutil.Process(int((self.folder / f"{name}.pid").read_text()))
            ours = process.name() in ("slurmd", "slurmctld", "munged")  # the number may be another's by now
            return [process, *process.children()] if ours else []
        except (OSError, ValueError, psutil.Error):
            return []


def jobs():
    """The jobs that run, as (id, node, Snakemake's rule and wildcards) each."""
    lines = query("squeue", "--noheader", "--states=running", "--format=%i %N %k").splitlines()
    return [tuple(line.split(maxsplit=2)) for line in lines]


def restarts(job):
    """How often Slurm has put a job into the queue again."""
    fields = dict(word.split("=", 1) for word in query("scontrol", "show", "job", job).split() if "=" in word)
    return int(fields["Restarts"])


def processes_of(variable, value):
    """The processes with `variable` as `value` in their environment, and the slurmstepd that watches over them.

    Of a step's daemon, the environment is not to be read any more; it is known as a parent.
    """
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(variable) == value:
                parents = [parent for parent in process.parents() if parent.name() == "slurmstepd"]
                found |= {one.pid: one for one in (process, *parents)}
    return list(found.values())


def kill(processes):
    """SIGKILL to all of them, which are stopped first so that none sees another end. Returns how many."""
    for act in ("suspend", "kill"):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                getattr(process, act)()
    psutil.wait_procs(processes, timeout=10)
    return len(processes)


def run(*command):
    subprocess.run(command, check=True)


def query(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
