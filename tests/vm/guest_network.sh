# Part of guest.sh, after guest_io.sh, which has loaded the modules: macvlan, ipvlan and VLANs, with all that the test
# would skip elsewhere.
ln -sf dash /bin/sh # busybox's shell has an ip of its own
out=$(/bin/test_upper 2>&1)
status=$?
[ $status = 0 ] || echo "$out"
ln -sf busybox /bin/sh
check "networks of macvlan, ipvlan and VLANs" [ $status = 0 ]
check "of which the kernel has all" lacks SKIPPED
