#!/bin/bash
# The cases of the jq profiles: see tests/profiles/run.
exec "$(dirname "$0")/../profiles/run"
