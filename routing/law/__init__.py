"""The law as data: provisions of a jurisdiction, working days, clocks, and what proves each rule."""
