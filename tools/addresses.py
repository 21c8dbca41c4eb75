"""Make the addresses of links and badges from one place: `project.urls` in pyproject.toml."""

import tomllib
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "https://github.com/your-account/fer-reproduction"  # until the repository is public
BRANCH, LAUNCH_BRANCH = "main", "launch"  # a workflow in .github/workflows writes the second


def repository() -> str:
    """Return the repository's address, without a slash at its end.

    Raises ValueError if it is not an account and a name at GitHub, which Colab, Kaggle and Binder read from.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"].rstrip("/")
    parts = urlsplit(address)
    if (parts.scheme, parts.netloc, parts.path.count("/")) != ("https", "github.com", 2) or parts.query:
        raise ValueError(
            f"pyproject.toml: project.urls.Repository is {address!r}. Write it as https://github.com/account/name"
        )
    return address


def is_placeholder() -> bool:
    """Return whether the repository has no public address yet."""
    return repository() == PLACEHOLDER


def account_and_name() -> str:
    return urlsplit(repository()).path.strip("/")


def on_github(path: str, kind: str = "blob") -> str:
    """Return the address of a file of the repository (`kind` "blob") or of a folder ("tree")."""
    return f"{repository()}/{kind}/{BRANCH}/{quote(path)}"


def colab(notebook: str) -> str:
    """Return the address that opens a notebook in Colab. notebook: its path, which is the same on the launch branch."""
    return f"https://colab.research.google.com/github/{account_and_name()}/blob/{LAUNCH_BRANCH}/{quote(notebook)}"


def kaggle(notebook: str) -> str:
    """Return the address that opens a notebook of the launch branch in Kaggle."""
    return f"https://kaggle.com/kernels/welcome?src={repository()}/blob/{LAUNCH_BRANCH}/{quote(notebook)}"


def binder(notebook: str) -> str:
    """Return the address that opens a notebook in JupyterLab on Binder, which builds .binder/ of the main branch."""
    return f"https://mybinder.org/v2/gh/{account_and_name()}/{BRANCH}?labpath={quote(notebook, safe='')}"
