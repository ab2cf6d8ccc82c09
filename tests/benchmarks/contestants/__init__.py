"""Those who are compared, each in its own process: a module makes a client and signs a user out with it.

They are run by ``drive.py``, and written as anybody would write them from the library's own documentation.
"""
