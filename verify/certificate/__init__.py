"""Certificates for trained networks: what their weights, taken as the numbers they are, provably are."""
