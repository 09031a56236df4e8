use strict;
print "looking for zlib\n";
die "zlib 1.3 is needed, found 1.2\n" unless 0;
