# The step between a shim and the command of a run with limits, before the user is switched. Theory of operation: torchsync/adapters/process.py.
# $1 is the number of open files, $2 the nice value, $3 the class of ionice(1), $4 its level, each empty for none; then the words that go on.
# A reason not to begin goes to descriptor 4; what the programs say about it is in the output.

files=$1 nice=$2 class=$3 level=$4 nice_now=
shift 4

refuse() {
  echo "limits.$1 $2 cannot be set on this host; what is said about it is in the output" >&4
  exit 1
}

nice_of() {
  shift 16
  nice_now=$1
}

[ -z "$files" ] || ulimit -n "$files" || refuse files "$files"
if [ -n "$class" ]; then
  ionice -c "$class" ${level:+-n "$level"} -p $$ || refuse io "of class $class"
fi
if [ -n "$nice" ]; then
  # proc(5): the 19th field of stat, the 17th behind the program's name. Looked at, since programs of that name differ.
  renice -n "$nice" -p $$ >/dev/null && read -r stat </proc/$$/stat && nice_of ${stat##*) }
  [ "$nice_now" = "$nice" ] || refuse nice "$nice"
fi
exec "$@"
