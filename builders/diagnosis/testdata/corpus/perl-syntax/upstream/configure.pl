use strict;
my $x = 1;
print "configuring\n";
$y = 2;
