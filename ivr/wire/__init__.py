"""Wire protocols as pure readers: bytes in, events out. Nothing here knows a socket, a clock or an event loop."""
