#!/usr/bin/env bash
# Runs the study on a GPU box, from an archive that `make box` wrote. It needs no network, and no input.
#
#     bash run.sh --minutes 10 --out DIR
#
# --work DIR     where the archive is unpacked and run; by default in memory (/dev/shm) if it fits there, else in $TMPDIR
# --device cpu   for a rehearsal without a GPU; --tiny: with settings that take seconds
# --jobs N       runs at once; --only NAME...: only these runs of the plan
# --part-mb N    cut the results into parts of N MiB; --home-mb N: add checkpoints, up to N MiB in all
#
# The parts of the archive must be in the folder of this file. The same command again resumes the runs.
set -euo pipefail
began=$(date +%s)
typed="bash run.sh $*"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python_wanted=@PYTHON@
build=@BUILD@
bytes_needed=@BYTES@
bytes_roomy=@ROOMY@

fail() { echo "Nothing was run. $*" >&2; exit 2; }

minutes='' out='' work='' rest=()
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes=*|--out=*|--work=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    --minutes) minutes=${2-}; shift 2 || fail '--minutes needs a number' ;;
    --out) out=${2-}; shift 2 || fail '--out needs a folder' ;;
    --work) work=${2-}; shift 2 || fail '--work needs a folder' ;;
    *) rest+=("$1"); shift ;;
  esac
done
[[ $minutes =~ ^[0-9]+([.][0-9]+)?$ && ! $minutes =~ ^0+([.]0+)?$ ]] || fail "--minutes '$minutes': give how long it may take, such as 10"
[ -n "$out" ] || fail '--out is missing: name the folder for what comes home'
mkdir -p "$out" 2> /dev/null && touch "$out/.written" 2> /dev/null && rm "$out/.written" || fail "--out $out: cannot be written. Name a folder that can"
out=$(cd "$out" && pwd)

version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || fail 'There is no python3 on this box'
[ "$version" = "$python_wanted" ] || fail "python3 is $version here, and the wheels are for $python_wanted: make the archive with BOX_PYTHON=$version"

if [ -z "$work" ]; then
  work=${TMPDIR:-/tmp}
  [ "$(df -Pk /dev/shm 2> /dev/null | awk 'NR == 2 { print $4 }')" -gt $((bytes_roomy / 1024)) ] 2> /dev/null && work=/dev/shm
fi
mkdir -p "$work" 2> /dev/null && work=$(cd "$work" && pwd)/fer-box-$build && exec 9> "$work.lock" \
  || fail "--work $work: cannot be written. Name a folder that can"
! command -v flock > /dev/null || flock --nonblock 9 || fail "another run.sh is at work in $work: wait for it, or name another folder with --work"
if [ ! -d "$work" ]; then
  rm -rf "$work.part" && mkdir "$work.part"  # an earlier call may have been ended while it unpacked
  free=$(df -Pk "$work.part" | awk 'NR == 2 { print $4 }')
  [ "$free" -gt $((bytes_needed / 1024)) ] || { rmdir "$work.part"; fail "$(dirname "$work"): $((free / 1048576)) GB are free, and $((bytes_needed / 1073741824 + 1)) are needed. Name a larger folder with --work"; }
  [ "$(sha256sum < "$here/parts.sha256" | cut -c 1-12)" = "$build" ] || fail "parts.sha256 is of another build than run.sh: carry both again"
  while read -r sum part; do
    [ -f "$here/$part" ] || fail "$part is missing beside run.sh: carry it, too"
    [ "$(sha256sum < "$here/$part")" = "$sum  -" ] || fail "$part is damaged, or of another build: carry it again"
  done < "$here/parts.sha256"
  cut -d ' ' -f 3 "$here/parts.sha256" | (cd "$here" && xargs cat) | tar -x -C "$work.part" || fail 'The archive could not be unpacked'
  python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \
    --root-user-action ignore --target "$work.part/site" "$work.part"/wheels/*.whl || fail 'The wheels could not be installed: see above'
  mv "$work.part" "$work"
  echo "Unpacked and installed in $(($(date +%s) - began)) s, in $work"
fi

export PYTHONPATH=$work/code:$work/site${PYTHONPATH:+:$PYTHONPATH} PATH=$work/site/bin:$PATH
unset PYTHONDONTWRITEBYTECODE  # compiled modules are kept, since a dozen processes import the same packages
seconds=$(awk -v minutes="$minutes" -v gone="$(($(date +%s) - began))" 'BEGIN { printf "%.0f", minutes * 60 - gone }')
[ "$seconds" -gt 20 ] || fail "$seconds of --minutes $minutes are left, which is too little to begin with"
# Whatever happens, it ends when its minutes are over.
exec timeout --kill-after 5 "$seconds" python3 "$work/code/tools/box/run.py" --seconds "$seconds" --out "$out" --command "$typed" ${rest[@]+"${rest[@]}"} < /dev/null
