"""What the official client must see; one file for each area."""
