# shellcheck shell=bash disable=SC2154 # sourced by dev, beside compose/stack.sh
# What the kernel counts for a container of the stack, in control groups of either version.

# counter SERVICE CONTROLLER FILE: the file of its group; `none` where there is none.
counter() {
  local id file
  id=$(engine inspect -f '{{.Id}}' "$(container_of "$1")")
  for file in /sys/fs/cgroup/"$2"/docker/"$id"/"$3" /sys/fs/cgroup/docker/"$id"/"$3" \
    /sys/fs/cgroup/system.slice/docker-"$id".scope/"$3"; do
    [[ ! -e $file ]] || { cat "$file" && return; }
  done
  echo none
}

is_old_tree() { [[ -d /sys/fs/cgroup/memory ]]; }

# Thousandths of a CPU.
cpus_of() {
  if is_old_tree; then
    echo $(($(counter "$1" cpu cpu.cfs_quota_us) * 1000 / $(counter "$1" cpu cpu.cfs_period_us)))
  else
    counter "$1" cpu cpu.max | awk '{print $1 * 1000 / $2}'
  fi
}

# Bytes.
memory_of() { if is_old_tree; then counter "$1" memory memory.limit_in_bytes; else counter "$1" memory memory.max; fi; }

# Bytes beside those of memory_of.
swap_of() {
  if is_old_tree; then
    echo $(($(counter "$1" memory memory.memsw.limit_in_bytes) - $(memory_of "$1")))
  else
    counter "$1" memory memory.swap.max
  fi
}

# Nanoseconds of CPU so far.
used_by() {
  if is_old_tree; then
    counter "$1" cpuacct cpuacct.usage
  else
    counter "$1" cpu cpu.stat | awk '/^usage_usec/ {print $2 * 1000}'
  fi
}

# Periods in which it ran, and those in which it was held back.
periods_of() { counter "$1" cpu cpu.stat | awk '/^nr_periods/ {p = $2} /^nr_throttled/ {t = $2} END {print p, t}'; }
