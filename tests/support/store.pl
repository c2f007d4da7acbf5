#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A store for tests of --into: appends each event to a ledger, then answers it.
#
#     store.pl LEDGER [OUTCOME [NTH [ONLY]]]
#
# OUTCOME (stored) is the answer to every NTH event (1); the others are stored. `die` ends the
# process instead of an answer, `mute` gives none. With ONLY, no more than so many events are
# answered with OUTCOME. With STORE_DELAY_MS each answer comes that late.
use strict;
use warnings;
use IO::Handle;
my ($path, $outcome, $nth, $only) = @ARGV;
$outcome //= 'stored';
$nth //= 1;
$only //= 1_000_000_000;
my $delay = ($ENV{STORE_DELAY_MS} // 0) / 1000;
open my $ledger, '>>', $path or die "$path: $!\n";
$ledger->autoflush(1);
STDOUT->autoflush(1);
my $count = 0;
while (my $line = <STDIN>) {
    my $ack = $line =~ /"ack":"([^"]*)"\}$/ ? $1 : next;
    my $odd = ++$count % $nth == 0 && $only-- > 0;
    exit 9 if $odd && $outcome eq 'die';
    my $answer = $odd ? $outcome : 'stored';
    select undef, undef, undef, $delay if $delay;
    print $ledger $line;
    print qq({"ack":"$ack","outcome":"$answer"}\n) unless $answer eq 'mute';
}
