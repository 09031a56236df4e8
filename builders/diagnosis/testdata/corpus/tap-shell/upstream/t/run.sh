echo 1..3
echo ok 1 - starts
echo not ok 2 - answers
echo "# expected 200"
echo ok 3 - stops
exit 1
