"""The contract: what Cognito does. The tests check it on the fake and on moto."""
