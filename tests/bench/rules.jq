# SPDX-License-Identifier: MIT
# Rules of the usual size, for tests/bench/run: ts-enrich --jq-file and jq run the same program.
if .kind == "door" then .skip = "doors are not attendance" else . end
| .shift = (if .local_time[11:13] < "12" then "early" else "late" end)
