#!/bin/bash
# Proves the rules of the source that can be proved by reading it: who may include what, which version checks
# stand where, how long files and functions are, how errors are worded. Prints each violation as file:line.
#
#   test/check_source.sh [DIRECTORY]      of the checkout; with kafka_fdw.so there, its symbols are checked too
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec perl "$here/lib/check_source.pl" "${1:-$here/..}"
