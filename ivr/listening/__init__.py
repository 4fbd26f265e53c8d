"""Listening: takes the audio of each tapped leg and tells what was said. Whatever happens here, the calls go on."""
