"""The contestants. Each is a module with functions that create a client and sign a user out.

``drive.py`` runs each in its own process. The code follows the documentation of each library.
"""
