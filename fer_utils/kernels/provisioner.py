"""Kernels that talk over sockets in a folder of their own instead of TCP ports."""

import os
import shutil
import tempfile

from jupyter_client.provisioning import LocalProvisioner

LONGEST = 80  # characters of the folder's parent: a socket's whole path may have 107 on Linux, 103 on macOS


class OwnSockets(LocalProvisioner):
    """Starts a kernel as usual, but for its sockets.

    jupyter_client picks five free ports, lets go of them and tells the kernel, which opens them a second later. Of
    kernels that start together, two may be told the same port; one of them dies, or its papermill waits forever.
    """

    folder = None

    async def pre_launch(self, **kwargs):
        """Choose the sockets' folder, once a kernel: a restarted one keeps it."""
        if self.folder is None and os.name == "posix" and self.parent.transport == "tcp":
            usual = tempfile.gettempdir()
            self.folder = tempfile.mkdtemp(prefix="fer-", dir=usual if len(usual) <= LONGEST else "/tmp")
            self.parent.transport, self.parent.ip = "ipc", os.path.join(self.folder, "kernel")
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart=False):
        """Remove the sockets, unless the kernel is only restarted."""
        await super().cleanup(restart)
        if self.folder and not restart:
            shutil.rmtree(self.folder, ignore_errors=True)
