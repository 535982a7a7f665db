"""What the suites and the demo stand on.

build       the extension and the simulator, built when their sources changed
private     a copy of PostgreSQL that the extension is installed into
cluster     a server of that copy, with its own data
simulator   the stand-in for Azure DevOps and its organizations
database    a database with the extension, connected to an organization
"""
