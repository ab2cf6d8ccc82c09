"""That usernames and secrets go nowhere but over the wire, to whom they are meant for."""
