"""Who is not called, on the command line."""

import json
import re

import pytest

from server.cli import main

ADA, BOB = "+14155550123", "+14155550124"


@pytest.fixture(autouse=True)
def somewhere_else(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWITCHBOARD_DATABASE_URL", raising=False)
    monkeypatch.setenv("SWITCHBOARD_DATA", str(tmp_path))


def test_numbers_come_on_the_list_and_leave_it(capsys, tmp_path):
    assert main(["opt-outs"]) == 1
    assert "SWITCHBOARD_DATA" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert main(["opt-outs", "--add", "+1 415 555-0123", "--add", BOB]) == 0
    shown = capsys.readouterr()
    assert ADA in shown.out and BOB in shown.out and "put down by hand" in shown.out
    assert not shown.err
    assert main(["opt-outs", "--add", ADA, "--remove", BOB, "--json"]) == 0
    shown = capsys.readouterr()
    (listed,) = json.loads(shown.out)
    assert (listed["number"], listed["call_id"]) == (ADA, "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", listed["since"])
    assert f"{ADA} was on the list already" in shown.err
    assert main(["opt-outs", "--remove", BOB]) == 0
    assert f"{BOB} was not on the list" in capsys.readouterr().err
    assert main(["opt-outs", "--remove", ADA]) == 0
    assert "nobody has opted out" in capsys.readouterr().out


def test_what_is_no_number_changes_nothing(capsys, tmp_path):
    assert main(["opt-outs", "--add", ADA, "--remove", "Bob"]) == 2
    assert "+14155550123" in capsys.readouterr().err  # how to write one
    assert not list(tmp_path.iterdir())
