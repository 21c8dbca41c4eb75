"""Snakemake's Kubernetes executor for a volume that all pods share.

The executor itself assumes that pods share nothing: it wants each file that a rule reads or writes in a storage of its
own, and would not carry the folders that the runs of this study are. On a shared volume they are simply there.
Snakemake finds this module by its name, in a folder of PYTHONPATH.
"""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import snakemake_executor_plugin_kubernetes as original
from kubernetes.client.rest import ApiException

# What the notebooks read of the environment, which pods do not inherit.
PASSED_ON = ("KERAS_BACKEND", "FER_DATA")

ExecutorSettings = original.ExecutorSettings
common_settings = replace(
    original.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)


class Executor(original.Executor):
    def __post_init__(self):
        super().__post_init__()
        read = self.kubeapi.read_namespaced_pod_log

        def read_what_there_is(**given):
            """The original asks for the log of the container's last life, of which these have one only."""
            try:
                return read(**{**given, "previous": False})
            except ApiException as error:  # gone with its node: that costs a retry, not the study
                return f"There is no log: {error.reason}"

        self.kubeapi.read_namespaced_pod_log = read_what_there_is

    def get_job_exec_prefix(self, job):
        """What a pod does first: go to the project, which lies where it does for Snakemake, and find papermill."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in passed.items())
        path = f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
        return f"cd {shlex.quote(str(self.workflow.workdir_init))} && export {path} {exports}"
