pytest_plugins = ["tests.servers.valkey"]
