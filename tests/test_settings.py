"""Settings come from the environment and ``.env``, and a wrong one is named."""

import pytest
from pydantic import SecretStr, ValidationError

from server.settings import FORK_ENVIRONMENT, fork_environment, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    import os

    for name in list(os.environ):
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_")) or name.endswith(("_API_KEY", "_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nothing_set_gives_a_server_on_loopback():
    settings = load_settings()
    assert (settings.api_host, settings.api_port, settings.on_loopback) == ("127.0.0.1", 8080, True)
    assert settings.livekit_agent_name == "switchboard" and settings.warm_calls == 2


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("SWITCHBOARD_API_PORT=1\nSWITCHBOARD_MAX_CALLS=3\n")
    monkeypatch.setenv("SWITCHBOARD_API_PORT", "2")
    settings = load_settings()
    assert (settings.api_port, settings.max_calls) == (2, 3)


def test_an_empty_value_is_no_value(monkeypatch):
    monkeypatch.setenv("SWITCHBOARD_MAX_CALLS", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = load_settings()
    assert settings.max_calls >= 1 and "openai" not in settings.providers


def test_names_without_our_prefix_are_not_ours(monkeypatch):
    monkeypatch.setenv("DATA", "/elsewhere")
    monkeypatch.setenv("LOG", "json")
    assert (str(load_settings().data), load_settings().log) == (".switchboard", "text")


def test_providers_are_found_by_their_names(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("DEEPGRAM_API_KEY=from-file\n")
    monkeypatch.setenv("DEEPGRAM_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "k")
    providers = load_settings().providers
    assert providers["deepgram"].api_key == SecretStr("from-file")
    assert providers["deepgram"].url == "ws://127.0.0.1:1"
    assert (providers["openai"].api_key, providers["openai"].url) == (None, "http://127.0.0.1:2/v1")
    assert "openai_compatible" in providers and "livekit" not in providers


def test_no_secret_is_shown(monkeypatch):
    for name in ("LIVEKIT_API_SECRET", "SWITCHBOARD_API_KEY", "DEEPGRAM_API_KEY"):
        monkeypatch.setenv(name, "very-secret")
    settings = load_settings()
    assert "very-secret" not in repr(settings) + str(settings.providers)


def test_misspelt_names_are_noticed(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("SWITCHBOARD_WARM_CALL=2\n")
    monkeypatch.setenv("SWITCHBOARD_DATABASE", "x")
    monkeypatch.setenv("SWITCHBOARD_MODELS", "/models")
    monkeypatch.setenv("SWITCHBOARD_SIP_PORT", "5060")
    unknown = load_settings().unknown_names
    assert unknown == ("SWITCHBOARD_DATABASE", "SWITCHBOARD_WARM_CALL")


@pytest.mark.parametrize(
    "name, value",
    [("API_PORT", "http"), ("API_PORT", "70000"), ("MAX_CALLS", "0"), ("LOG", "xml")],
)
def test_a_wrong_value_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"SWITCHBOARD_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        load_settings()


def test_everything_lies_in_the_data_folder_unless_told(monkeypatch, tmp_path):
    settings = load_settings()
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path}/.switchboard/switchboard.db"
    assert settings.recordings == (tmp_path / ".switchboard/recordings").as_uri()
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("SWITCHBOARD_RECORDINGS_URL", "s3://bucket")
    settings = load_settings()
    assert (settings.database, settings.recordings) == ("postgresql://db/x", "s3://bucket")


def test_a_fork_server_gets_what_must_be_there_before_it_is_executed():
    assert fork_environment().items() >= FORK_ENVIRONMENT.items()
    assert "MALLOC_TRIM_THRESHOLD_" in FORK_ENVIRONMENT
