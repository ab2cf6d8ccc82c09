"""What botocore resolves: credentials, region, endpoint, attempts, TLS, proxies."""
