# Part of guest.sh: block devices and swap. The devices are the guest's own, in its memory (brd).
# In whatever order they depend on each other.
for round in 1 2 3 4; do
    for module in /modules/*.ko; do
        case $module in
        */brd.ko) insmod "$module" rd_nr=3 rd_size=131072 2>/dev/null ;;
        */null_blk.ko) insmod "$module" nr_devices=1 queue_mode=2 2>/dev/null ;;
        *) insmod "$module" 2>/dev/null ;;
        esac
    done
done

took() { # HUNDREDTHS: the first line of $out is a number that is not less
    number=${out%%
*}
    [ "$number" -ge "$1" ]
}

start read
check "the limit of bytes read a second binds" took 250
check "io.max says so" has "1:0 rbps=524288 wbps=max riops=max wiops=max"
start write
check "the limit of bytes written a second binds" took 250
check "and is written" has "1:0 rbps=max wbps=524288 riops=max wiops=max"
start requests
check "the limit of reads a second binds" took 200
check "limits of reads and of writes a second stand side by side" has "1:0 rbps=max wbps=max riops=20 wiops=30"

echo bfq >/sys/block/nullb0/queue/scheduler
start lines
check "a file of linux.resources.unified that has a line for each device is written" has "1:0 rbps=max wbps=max riops=33 wiops=max"
check "down to its last line" has "1:1 rbps=max wbps=max riops=max wiops=44"

start weight
check "the weight is BFQ's where that is there" has "default 300"
start leafweight
check "a leaf weight is refused by name" has "cgroup v2 has no leaf weight"

mkswap /dev/ram1 >/dev/null
swapon /dev/ram1
start swap
check "a container takes swap beyond its memory" has 37748736
check "as much as it may" has 41943040
start noswap
check "and none where it may have none" lacks 37748736
start swapfull
check "the swap limit binds" lacks 62914560
swapoff /dev/ram1
