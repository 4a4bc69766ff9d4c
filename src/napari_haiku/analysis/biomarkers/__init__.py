"""Marker values predicted from neighbours."""
