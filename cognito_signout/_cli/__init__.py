"""The command ``cognito-signout``: arguments, usernames, the journal, the report and the progress."""
