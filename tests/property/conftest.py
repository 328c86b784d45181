"""How many examples the properties are tried with: `--hypothesis-profile=deep` in the fuzzing campaign."""

from hypothesis import settings

settings.register_profile("deep", max_examples=3000, deadline=None)
