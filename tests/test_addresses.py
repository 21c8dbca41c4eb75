"""Links and badges lead where project.urls says; until the repository is public that is a known placeholder."""

import addresses
import pytest

CONTRIBUTING = (addresses.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_addresses_follow_from_the_repository(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/Some-One/faces/"\n')
    monkeypatch.setattr(addresses, "ROOT", tmp_path)
    assert addresses.repository() == "https://github.com/Some-One/faces" and not addresses.is_placeholder()
    assert addresses.on_github("docs/a b.md") == "https://github.com/Some-One/faces/blob/main/docs/a%20b.md"
    assert addresses.colab("notebooks/03.ipynb") == (
        "https://colab.research.google.com/github/Some-One/faces/blob/launch/notebooks/03.ipynb"
    )
    assert addresses.kaggle("n.ipynb").endswith("?src=https://github.com/Some-One/faces/blob/launch/n.ipynb")
    assert addresses.binder("course/lab3.ipynb") == (
        "https://mybinder.org/v2/gh/Some-One/faces/main?labpath=course%2Flab3.ipynb"
    )


@pytest.mark.parametrize("address", ["https://example.org/a/b", "http://github.com/a/b", "https://github.com/a"])
def test_an_address_of_no_known_forge_is_refused(tmp_path, monkeypatch, address):
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{address}"\n')
    monkeypatch.setattr(addresses, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="pyproject.toml.*https://github.com/account/name"):
        addresses.repository()


def test_contributing_says_which_address_is_a_placeholder_as_long_as_it_is_one():
    assert (addresses.PLACEHOLDER in CONTRIBUTING) == addresses.is_placeholder()
