"""Millpond: a caching reverse proxy for Grafana's data sources."""

__version__ = "0.1.0"
