#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A receiver behind --into that keeps each person's order, as ts-send does (see block.h there): what
# comes behind an event that it put off is put off, too, until that one is here again, or until one
# comes again that was put off after it: then that one is not to come, another receiver has it.
#
#     ordered.pl LEDGER [NTH [DELAY_MS]]
#
# Each event that it takes is one line of the ledger, `PERSON SERIAL EVENT_ID AMBIGUOUS`, written at
# once: several receivers may share a ledger, whose lines then stand in the order of arrival. Every
# NTH event is put off for a moment (0: none). With DELAY_MS each answer comes that late.
use strict;
use warnings;
use Fcntl qw(O_WRONLY O_APPEND O_CREAT);
use POSIX qw(strftime);
use Time::HiRes qw(time sleep);
my ($path, $nth, $delay_ms) = @ARGV;
$nth //= 0;
sysopen my $ledger, $path, O_WRONLY | O_APPEND | O_CREAT or die "$path: $!\n";
$| = 1;
my %off;    # by person: those put off, in order; each its id and the number of the answer
my ($count, $answers) = (0, 0);
while (my $line = <STDIN>) {
    my ($ack) = $line =~ /"ack":"([^"]*)"\}$/ or next;
    my ($id) = $line =~ /"event_id":"([^"]*)"/;
    my ($person) = $line =~ /"person_id":"([^"]*)"/;
    my ($serial) = $line =~ /"serial_no":(\d+)/;
    my $ambiguous = $line =~ /"ambiguous":true/ ? 1 : 0;
    $person //= '-';
    $serial //= 0;
    sleep $delay_ms / 1000 if $delay_ms;
    my $off = $off{$person} //= [];
    my ($place) = grep { $off->[$_][0] eq $id } 0 .. $#$off;
    my $behind = @$off && !defined $place;
    $behind ||= grep { $_->[1] > $off->[$place][1] } @$off[0 .. $place - 1] if defined $place;
    push @$off, [$id, 0] if $behind && !defined $place;
    splice @$off, 0, $place + 1 if !$behind && defined $place;
    my $odd = !$behind && $nth && ++$count % $nth == 0;
    unshift @$off, [$id, 0] if $odd;
    if ($behind || $odd) {
        $_->[1] = ++$answers for grep { $_->[0] eq $id } @$off;
        my $at = time + 0.02;
        my $text = strftime('%Y-%m-%dT%H:%M:%S', gmtime $at) . sprintf '.%03dZ', ($at - int $at) * 1000;
        print qq({"ack":"$ack","outcome":"deferred","retry_at":"$text"}\n);
        next;
    }
    syswrite $ledger, "$person $serial $id $ambiguous\n";
    print qq({"ack":"$ack","outcome":"delivered","attempts":1}\n);
}
