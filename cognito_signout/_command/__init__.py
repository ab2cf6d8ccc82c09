"""The parts of the command, one idea each: nothing but :mod:`cognito_signout._cli` imports them."""
