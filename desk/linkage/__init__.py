"""Three-line linkage on the desk: the API, the agent's panel, the alarms, the supervisor's page."""
