"""``switchboard new`` writes a bot that works at once, and touches nothing that is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from bots.loading import load_bots
from bots.scaffold import new_bot
from local.providers.rules import load_rules

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path):
    """A folder with the shipped bots."""
    (tmp_path / "bots").mkdir()
    for name in ("receptionist.yaml", "echo.yaml", "echo.py", "desks.yaml"):
        (tmp_path / "bots" / name).write_bytes((ROOT / "bots" / name).read_bytes())
    (tmp_path / "flows").mkdir()
    for name in ("reservation.yaml", "reservation.py"):
        (tmp_path / "flows" / name).write_bytes((ROOT / "flows" / name).read_bytes())
    return tmp_path


def test_a_new_bot_is_sound_and_has_a_number_of_its_own(project):
    paths = new_bot("front_desk", project)
    assert [p.relative_to(project).as_posix() for p in paths] == [
        "bots/front_desk.yaml",
        "flows/front_desk.yaml",
        "flows/front_desk.py",
        "flows/front_desk.rules.yaml",
        "tests/test_front_desk.py",
    ]
    bots = load_bots(project / "bots", project / "flows")
    assert not bots.problems
    bot = bots.for_number("+15550101")
    assert bot and bot.name == "front_desk"
    assert bot.config.greeting == "Hello, this is Front Desk. How can I help?"
    second = new_bot("back_desk", project)
    assert load_bots(project / "bots", project / "flows").for_number("+15550102")
    assert second[0].exists()


def test_the_local_stand_in_knows_what_to_say(project):
    new_bot("front_desk", project)
    (rules,) = load_rules(project / "flows")
    prompt = (project / "flows" / "front_desk.yaml").read_text()
    assert rules.prompt_contains in prompt


def test_its_test_passes_at_once(project):
    new_bot("front_desk", project)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider"],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout


@pytest.mark.parametrize("name", ["Desk", "front-desk", "1st", "", "../desk", "class", "a" * 41])
def test_a_name_that_cannot_be_had_is_refused_with_the_allowed_ones(project, name):
    with pytest.raises(ValueError, match="lower-case letters, digits and underscores"):
        new_bot(name, project)


@pytest.mark.parametrize("name", ["receptionist", "echo", "reservation"])
def test_nothing_is_overwritten(project, name):
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    with pytest.raises(FileExistsError, match="choose another name"):
        new_bot(name, project)
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before


def test_a_module_of_the_house_is_no_bots_python(project):
    (project / "bots" / "pipeline.py").write_text("")
    with pytest.raises(FileExistsError, match="bots/pipeline.py"):
        new_bot("pipeline", project)


def test_when_all_numbers_are_taken_the_range_is_named(project):
    taken = ", ".join(f'"+155501{n:02d}"' for n in range(100))
    (project / "bots" / "many.yaml").write_text(f"name: many\nnumbers: [{taken}]\n")
    with pytest.raises(ValueError, match=r"from \+15550100 to \+15550199"):
        new_bot("front_desk", project)
