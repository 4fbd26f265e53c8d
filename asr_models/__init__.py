"""Speech to text: the model catalogue and installer, the recogniser, the demo model."""
