"""The Encode dock."""
