#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What ts-read makes of captured files of devices, which are no part of the tree: all fields of each
# event, as the first digits of a SHA-256.
#
#     corpus.pl TABLE FOLDER          compares; a line "ok NAME" or "not ok NAME" each, and the event
#                                     that differs, in full
#     corpus.pl --print TABLE FOLDER  the table as it would be now, to review it event by event
#
# TABLE: NAME, format, exit status and digests, separated by tabs. received_at does not count, and of
# origin only the line. Each file is read as a file, and in pieces of seven bytes.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

my $print = @ARGV && $ARGV[0] eq '--print' && shift;
my ($table, $folder) = @ARGV;
open my $in, '<', $table or die "$table: $!\n";

sub read_as {
    my ($command) = @_;
    my @events = split /\n/, `$command 2>/dev/null`;
    return ($? >> 8, map { s/"origin":"[^":]*/"origin":"/r =~ s/"received_at":"[^"]*",//r } @events);
}

# "" or what is wrong.
sub compare {
    my ($status, $digests, $got, @events) = @_;
    my @wanted = split / /, $digests;
    for my $n (0 .. $#events) {
        next if $n < @wanted && substr(sha256_hex($events[$n]), 0, 10) eq $wanted[$n];
        return "event " . ($n + 1) . " of " . @events . ", of " . @wanted . " wanted: $events[$n]";
    }
    return @events . " events, " . @wanted . " wanted" if @events != @wanted;
    return $got == $status ? '' : "status $got, $status wanted";
}

while (<$in>) {
    chomp;
    print "$_\n" if $print && /^#/;
    next if /^#/;
    my ($name, $format, $status, $digests) = split /\t/;
    my $file = "$folder/$name";
    next unless -e $file;
    my $read = "ts-read -f $format -d D";
    my ($got, @events) = read_as("$read '$file'");
    if ($print) {
        print join("\t", $name, $format, $got,
            join ' ', map { substr sha256_hex($_), 0, 10 } @events), "\n";
        next;
    }
    my $wrong = compare($status, $digests // '', $got, @events);
    $wrong = "in pieces, $wrong"
        if !$wrong &&
        ($wrong = compare($status, $digests // '', read_as("dd if='$file' bs=7 status=none | $read -")));
    print $wrong ? "not ok" : "ok", " $name\n", $wrong ? "# $wrong\n" : ();
}
