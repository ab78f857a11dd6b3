# The shim of one run. Theory of operation: torchsync/adapters/process.py.
# $1 is the directory of the run, $2 the boot id, $3 the FIFO the agent waits at, $4 the cgroup of the run or nothing;
# then the words that start a shell as the run's user.
# Standard input is the script for that shell, standard output the output of the run.

ticks_of() {
  shift 19
  ticks=$1
}

cd "$1" || exit
boot=$2 fifo=$3 cgroup=$4
shift 4
umask 077
trap : HUP INT QUIT TERM

# proc(5): the 22nd field of stat, the 20th behind the program's name, which may hold anything but is in parentheses.
read -r stat </proc/$$/stat && read -r uptime idle </proc/uptime || exit
ticks_of ${stat##*) }
set -C
echo "$$ $ticks $boot $uptime" >claim || exit
set +C

(
  exec 4>>begin 2>&1
  [ ! -p "$fifo" ] || exec 3<>"$fifo"
  [ -z "$cgroup" ] || [ -d "$cgroup" ] || mkdir "$cgroup"
  [ -z "$cgroup" ] || echo 0 >"$cgroup/cgroup.procs"
  exec "$@"
)
status=$?

read -r uptime idle </proc/uptime
if [ -n "$cgroup" ]; then
  # cgroups(7). A unit counts the memory of a run, its group `run` the processor; what is not counted stays unknown.
  cpu=- peak=-
  while read -r key value; do [ "$key" != usage_usec ] || cpu=$value; done <"$cgroup/cpu.stat"
  read -r peak <"${cgroup%/run}/memory.peak" || peak=-
  echo "$cpu $peak" >usage
fi
# A disk that is full now need not have been so at the start; what the FIFO is in is memory.
echo "$status $uptime" >exit || echo "$status $uptime" >"$fifo.exit"
exit "$status"
