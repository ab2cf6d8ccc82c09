"""How fast the library is beside boto3, a generated SDK, and the least that the same call can take."""
