"""The people of the units: head, deputy in charge and clerks of each, and the chiefs on duty."""
