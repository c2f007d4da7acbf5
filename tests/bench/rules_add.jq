# SPDX-License-Identifier: MIT
# Rules that leave events out and add a field; see rules.jq. Most of the time is libjq at work.
if .kind == "door" then .skip = "doors are not attendance" else . end
| .shift = (if .local_time[11:13] < "12" then "early" else "late" end)
