from datetime import timedelta

import pytest

from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE
from quality_gate.review.settings import VARIABLES, ReviewSettings, read_review_settings


def test_without_variables_photos_lie_in_the_home_and_one_in_a_hundred_is_audited(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    settings = read_review_settings({"QUALITY_GATE_AUDIT_SHARE": ""})
    assert settings.photos == tmp_path / "review_photos"
    assert settings.audit_share == 0.01
    assert list(tmp_path.iterdir()) == []


def test_variables_decide(tmp_path):
    settings = read_review_settings(
        {
            "QUALITY_GATE_REVIEW_PHOTOS": str(tmp_path),
            "QUALITY_GATE_AUDIT_SHARE": "0.2",
            "QUALITY_GATE_REVIEW_RETENTION_DAYS": "7",
            "QUALITY_GATE_REVIEW_MAX_MB": "12",
            "QUALITY_GATE_REVIEW_LEASE_SECONDS": "30",
        }
    )
    assert settings == ReviewSettings(photos=tmp_path, audit_share=0.2, retention_days=7, max_mb=12, lease_seconds=30)
    assert settings.lease == timedelta(seconds=30)


def test_every_setting_has_a_variable():
    assert set(VARIABLES.values()) == set(ReviewSettings.model_fields)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QUALITY_GATE_AUDIT_SHARE", "1.1"),
        ("QUALITY_GATE_AUDIT_SHARE", "1%"),
        ("QUALITY_GATE_REVIEW_RETENTION_DAYS", "0"),
        ("QUALITY_GATE_REVIEW_MAX_MB", "nan"),
        ("QUALITY_GATE_REVIEW_LEASE_SECONDS", "0"),
    ],
)
def test_an_impossible_value_is_told_with_its_variable(variable, value):
    with pytest.raises(UserError) as caught:
        read_review_settings({variable: value})
    assert caught.value.message.startswith(f"{variable} is '{value}': ")
