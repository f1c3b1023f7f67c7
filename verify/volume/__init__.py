"""Angular volumes of activation-region events."""
