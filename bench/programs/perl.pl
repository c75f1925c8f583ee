# SPDX-License-Identifier: MIT
# Hashes, lists, regular expressions and strings, as scripts over logs do.
use strict;
use warnings;

my $state = 4242;
sub below {
	$state = $state * 16807 % 2147483647;
	return $state % $_[0];
}
my @consonants = split //, 'bdfgklmnprstvz';
my @vowels = split //, 'aeiou';
sub word { join '', map { $consonants[below(14)] . $vowels[below(5)] } 0 .. 1 + below(3) }

my (@lines, %count, %hosts);
for my $n (1 .. 45000) {
	push @lines, sprintf('%d.%d [%05d] %s=%s %s', below(256), below(256), $n, word(), below(9999),
		join ' ', map { word() } 0 .. below(6));
}
for (@lines) {
	my ($host, $n, $key, $value, $rest) = /^([\d.]+) \[(\d+)\] (\w+)=(\d+) (.*)$/ or die;
	$count{$_}++ for split / /, $rest;
	push @{ $hosts{$host}{$key} }, { n => $n, value => $value };
	(my $other = $rest) =~ s/([aeiou])(\w)/$2\U$1/g;
	$count{ substr $other, 0, 3 } += length $other;
}
my $sum = 0;
for my $host (sort keys %hosts) {
	for my $key (sort keys %{ $hosts{$host} }) {
		my @sorted = sort { $b->{value} <=> $a->{value} } @{ $hosts{$host}{$key} };
		$sum = ($sum * 31 + $sorted[0]{value} + @sorted) % 1000000007;
	}
	delete $hosts{$host} if $sum % 3 == 0;
}
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
my $text = '';
for my $round (1 .. 3) {
	$text = join "\n", map { my @f = split / /; join ',', reverse @f } @lines[grep { $_ % $round == 0 } 0 .. $#lines];
	$sum = ($sum + length($text) + ($text =~ tr/aeiou//)) % 1000000007;
	my %seen;
	$seen{$1} .= $2 while $text =~ /(\w\w)(\w+)/g;
	$sum = ($sum * 7 + length $seen{$_}) % 1000000007 for sort keys %seen;
}
print "words $sum @top ", scalar(keys %hosts), "\n";
