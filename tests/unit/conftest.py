"""Hypothesis under `make mutants`: the same examples each time, and no work to tell a failure well."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a failure is enough: it need not be the smallest
    suppress_health_check=list(HealthCheck),  # a slow machine kills no mutant
)
