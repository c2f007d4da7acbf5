# SPDX-License-Identifier: MIT
# What `ts-read -d DEV FILE | ts-enrich -z Asia/Manila` does, as one would write it in awk:
# mawk -v device=DEV -f attlog.awk FILE. The zone has had one offset since 1990, so it is a
# constant here; there is no SHA-1 in awk, so the id is the three parts that identify a passage.
BEGIN {
    FS = "\t"
    split("check_in check_out break_out break_in overtime_in overtime_out", punches, " ")
    for (i = 1; i <= 6; i++)
        punch[i - 1] = "\",\"direction\":\"" (i == 1 || i == 4 || i == 5 ? "in" : "out") \
            "\",\"direction_from\":\"punch\",\"punch\":\"" punches[i]
    credential[1] = "\",\"credential\":\"fingerprint"
    credential[15] = "\",\"credential\":\"face"
}
{
    person = $1
    sub(/^ +/, "", person)
    clock = substr($2, 1, 10) "T" substr($2, 12)
    print "{\"event_id\":\"" device "-" person "-" clock "\",\"kind\":\"granted\",\"time\":\"" \
        clock "+08:00\",\"local_time\":\"" clock "\",\"device_id\":\"" device punch[$4] \
        "\",\"person_id\":\"" person credential[$5] "\",\"snapshot\":null,\"source\":\"zk-attlog\",\"origin\":\"" \
        FILENAME ":" NR "\",\"raw\":\"" $1 "\\t" $2 "\\t" $3 "\\t" $4 "\\t" $5 "\\t" $6 "\"}"
}
