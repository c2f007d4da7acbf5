#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A receiver behind --into that keeps each person's order, as ts-send does: what comes behind an
# event that it put off is put off, too, until that one is here again.
#
#     ordered.pl LEDGER [NTH [DELAY_MS [STUCK_S]]]
#
# Each event that it takes is one line of the ledger, `PERSON SERIAL EVENT_ID AMBIGUOUS`, written at
# once: several receivers may share a ledger, whose lines then stand in the order of arrival. Every
# NTH event is put off for a moment (0: none). With DELAY_MS each answer comes that late. What was
# put off may have been taken elsewhere: after STUCK_S (0.5) nobody waits for it any more; where the
# giver may stall for longer while it still holds later events it has to be longer.
use strict;
use warnings;
use Fcntl qw(O_WRONLY O_APPEND O_CREAT);
use POSIX qw(strftime);
use Time::HiRes qw(time sleep);
my ($path, $nth, $delay_ms, $stuck_s) = @ARGV;
$nth //= 0;
$stuck_s //= 0.5;
sysopen my $ledger, $path, O_WRONLY | O_APPEND | O_CREAT or die "$path: $!\n";
$| = 1;
my (%stuck, %until);
my $count = 0;
while (my $line = <STDIN>) {
    my ($ack) = $line =~ /"ack":"([^"]*)"\}$/ or next;
    my ($id) = $line =~ /"event_id":"([^"]*)"/;
    my ($person) = $line =~ /"person_id":"([^"]*)"/;
    my ($serial) = $line =~ /"serial_no":(\d+)/;
    my $ambiguous = $line =~ /"ambiguous":true/ ? 1 : 0;
    $person //= '-';
    $serial //= 0;
    sleep $delay_ms / 1000 if $delay_ms;
    my $now = time;
    my $behind = exists $stuck{$person} && $stuck{$person} ne $id && $until{$person} > $now;
    my $odd = !$behind && $nth && ++$count % $nth == 0;
    if ($behind || $odd) {
        ($stuck{$person}, $until{$person}) = ($id, $now + $stuck_s) if $odd;
        my $at = $now + 0.02;
        my $text = strftime('%Y-%m-%dT%H:%M:%S', gmtime $at) . sprintf '.%03dZ', ($at - int $at) * 1000;
        print qq({"ack":"$ack","outcome":"deferred","retry_at":"$text"}\n);
        next;
    }
    delete $stuck{$person};
    syswrite $ledger, "$person $serial $id $ambiguous\n";
    print qq({"ack":"$ack","outcome":"delivered","attempts":1}\n);
}
