"""Settings and `deploy/.env.example` tell the same story."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shared.errors import StartupError
from shared.settings import ALL_SETTINGS, DeliverySettings, LogSettings, load

PROJECT = Path(__file__).resolve().parents[2]


def shown_default(field: FieldInfo) -> str:
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return str(default).lower() if isinstance(default, bool) else str(default)


SETTINGS = {
    f"DISPATCHER_{name.upper()}": field for settings in ALL_SETTINGS for name, field in settings.model_fields.items()
}


def test_the_example_lists_every_setting_with_its_default_and_meaning() -> None:
    lines = (PROJECT / "deploy/.env.example").read_text().splitlines()
    expected = []
    for name, field in SETTINGS.items():
        expected += [f"# {field.description}", f"{name}={shown_default(field)}"]
    assert [line for line in lines if line and not line.startswith("##")] == expected


@pytest.mark.parametrize(
    ("name", "value", "settings"),
    [("DISPATCHER_IN_FLIGHT", "many", DeliverySettings), ("DISPATCHER_LOG_LEVEL", "loud", LogSettings)],
)
def test_a_bad_value_is_one_line_naming_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, settings: type[DeliverySettings]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=name) as caught:
        load(settings)
    assert "\n" not in str(caught.value)
