"""One module a target.

Each has `check(data)`, which raises for no bytes whatever unless there is a defect; `seeds()`, inputs by name to begin
with; and `WORDS`, pieces that inputs are made of.
"""
