"""What a caller goes through, one file a flow, registered by the name that the dialplan calls it by."""
