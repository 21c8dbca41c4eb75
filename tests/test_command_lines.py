"""The command lines of the package say how they are used, and take no option for a folder."""

import pytest

from fer_utils import ladder, reference, tables, workflow
from fer_utils.audit import claims, collapse

MODULES = [claims, collapse, ladder, reference, tables, workflow]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_help_is_given_and_nothing_is_done(module, capsys):
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    assert f"usage: python -m {module.__name__}" in capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
@pytest.mark.parametrize("arguments", [[], ["outputs/x", "--nonsense"]], ids=["none", "unknown option"])
def test_a_wrong_call_is_answered_with_the_usage(module, arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        module.main(arguments)
    assert "usage: " in capsys.readouterr().err
