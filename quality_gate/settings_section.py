"""What every section of the settings is."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A section of the settings: frozen, and a misspelt key is an error rather than a key nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
