# SPDX-License-Identifier: MIT
# Rules that leave events out, for tests/bench/run: ts-enrich --jq-file and jq run the same program.
if .kind == "door" then .skip = "doors are not attendance" else . end
| if .device_id == "CGXH2012345" and .punch == "break_out" then .skip = "no breaks here" else . end
