#!/usr/bin/perl
# An SMSC on Net::SMPP (Debian's libnet-smpp-perl), a library that nobody here wrote: answers,
# sends receipts with the id in hexadecimal, and prints what it got as JSON lines. Ends when its
# standard input does.
use strict;
use warnings;

use IO::Select;
use JSON::PP;
use Net::SMPP;

my $REFUSED = '34600099911';    # answered ESME_RINVDSTADR
my $json    = JSON::PP->new->canonical;

sub print_line {
    my (%line) = @_;
    syswrite(STDOUT, $json->encode(\%line) . "\n");
}

# Kept per process: each connection has one of its own.
my $next_id = 1_000_000_001;

sub submitted {
    my ($peer, $pdu) = @_;
    if ($pdu->{destination_addr} eq $REFUSED) {
        $peer->submit_sm_resp(seq => $pdu->{seq}, status => 0x0B, message_id => '');
        return;
    }
    my $id = $next_id++;
    print_line(
        event       => 'submit',
        id          => "$id",
        from        => $pdu->{source_addr},
        to          => $pdu->{destination_addr},
        octets      => unpack('H*', $pdu->{short_message}),
        data_coding => $pdu->{data_coding} + 0,
        esm_class   => $pdu->{esm_class} + 0,
        validity    => $pdu->{validity_period},
    );
    $peer->submit_sm_resp(seq => $pdu->{seq}, message_id => "$id");
    $peer->deliver_sm(
        async            => 1,
        source_addr      => $pdu->{destination_addr},
        destination_addr => $pdu->{source_addr},
        esm_class        => 0x04,
        short_message    => sprintf(
            'id:%X sub:001 dlvrd:000 submit date:2603011420 done date:2603011421 '
              . 'stat:UNDELIV err:027 text:',
            $id
        ),
    );
}

sub serve {
    my ($peer) = @_;
    while (my $pdu = $peer->read_pdu) {
        my $command = $pdu->{cmd};
        my %answer = (seq => $pdu->{seq});
        if ($command == 0x01 || $command == 0x02 || $command == 0x09) {
            print_line(event => 'bind', command => $command, system_id => $pdu->{system_id});
            $answer{system_id} = 'net-smpp';
            $peer->bind_receiver_resp(%answer)    if $command == 0x01;
            $peer->bind_transmitter_resp(%answer) if $command == 0x02;
            $peer->bind_transceiver_resp(%answer) if $command == 0x09;
        }
        elsif ($command == 0x04) { submitted($peer, $pdu) }
        elsif ($command == 0x15) { $peer->enquire_link_resp(%answer) }
        elsif ($command == 0x80000005) {
            print_line(event => 'delivered', status => $pdu->{status} + 0);
        }
        elsif ($command == 0x06) {
            print_line(event => 'unbind');
            $peer->unbind_resp(%answer);
            last;
        }
    }
}

my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34)
  or die "cannot listen: $!";
$SIG{CHLD} = 'IGNORE';
print_line(event => 'listening', port => $listener->sockport + 0);

my $ready = IO::Select->new($listener, \*STDIN);
while (1) {
    for my $handle ($ready->can_read) {
        if ($handle == $listener) {
            my $peer = $listener->accept or next;
            my $child = fork;
            die "cannot fork: $!" unless defined $child;
            if ($child == 0) {
                serve($peer);
                exit 0;
            }
            close $peer;
        }
        elsif (!sysread(STDIN, my $nothing, 1)) {
            exit 0;
        }
    }
}
