"""Kernels that communicate through sockets in their own folder instead of TCP ports."""

import os
import shutil
import tempfile

from jupyter_client.provisioning import LocalProvisioner

LONGEST = 80  # characters in the parent folder's path; a socket's path may have 107 on Linux and 103 on macOS


class OwnSockets(LocalProvisioner):
    """Start a kernel as usual, but with its own sockets.

    jupyter_client picks five free ports, releases them and passes their numbers to the kernel. The kernel opens them a
    second later. Two kernels that start together may get the same port: one dies, or its papermill waits forever.
    """

    folder = None

    async def pre_launch(self, **kwargs):
        """Choose the sockets' folder once per kernel: a restarted kernel keeps it."""
        if self.folder is None and os.name == "posix" and self.parent.transport == "tcp":
            usual = tempfile.gettempdir()
            self.folder = tempfile.mkdtemp(prefix="fer-", dir=usual if len(usual) <= LONGEST else "/tmp")
            self.parent.transport = "ipc"
            self.parent.ip = os.path.join(self.folder, "kernel")
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart=False):
        """Remove the sockets, unless the kernel is only restarted."""
        await super().cleanup(restart)
        if self.folder and not restart:
            shutil.rmtree(self.folder, ignore_errors=True)
