"""The guides: their code is run as it stands on their pages."""
