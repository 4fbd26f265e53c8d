"""What can go wrong with models; every message says what, why, and what to do."""


class UnknownModelError(Exception):
    """A name that the catalogue does not hold, or that is not a name; the message lists those that it holds."""


class ModelError(Exception):
    """A model that cannot be used."""


class RecognitionError(Exception):
    """The engine failed on the audio of one stream. That stream is over; others are unharmed."""


class InstallError(Exception):
    """A model could not be installed. Nothing of it is left but, where that helps, the part that was downloaded."""
