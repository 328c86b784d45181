"""What each function of the fleet does, one module a stage: read objects, call the domain, write objects."""
