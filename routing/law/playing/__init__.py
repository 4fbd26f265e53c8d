"""Playing law cases: the services of the hotline on an empty database, with a clock that the case sets."""
