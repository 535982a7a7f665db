"""The extension beside other ways to read the same organization, as a table of ratios.

arguments     sizes of a run
build         the optimised extension and the floor, apart from what the suites build
floor/        a client that downloads the same pages and parses them to nothing
usage         CPU seconds, wall clock and memory of processes
stage         PostgreSQL, the simulator, and organizations to read
scans         full scans without latency, against the floor
latency       the same at 50 ms per answer: the bound, a script, a sequential reader
script        that script, as users write it
refresh       an idle incremental refresh against a full one
memory        memory of a scan, by its size
instructions  instructions per row, counted by valgrind
report        the table, and the README's copy of it
"""
