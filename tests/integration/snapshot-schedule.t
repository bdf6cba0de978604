#!/bin/bash
# Snapshots of instances and volumes by the clock: schedules, names by a pattern, and the times at which they go.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

names() { sysct snapshot list "$1" -f csv | cut -d, -f1 | paste -sd ' '; }
has() { [[ " $(names "$1") " =~ \ $2\  ]]; }
has_none() { [ -z "$(names "$1")" ]; }
expires() { sysct query "/1.0/instances/box/snapshots/$1" | jq -r .expires_at; }

daemon_start
sysct launch busybox box
sysct launch busybox stopped
sysct stop -f stopped

# --- bad input ---

complains 'five fields' sysct config set box snapshots.schedule=often
complains 'minute is 0 to 59' sysct config set box 'snapshots.schedule=60 * * * *'
complains 'not a word' sysct config set box snapshots.schedule=@often
complains 'not a time' sysct config set box snapshots.expiry=soon
complains 'only creation_date' sysct config set box 'snapshots.pattern={{ name }}'
complains 'not a name' sysct config set box 'snapshots.pattern=a/b'
complains 'neither true nor false' sysct config set box snapshots.schedule.stopped=maybe

volume_names() { sysct query '/1.0/storage-pools/default/volumes/custom/data/snapshots?recursion=1' | jq -r '.[].name | sub(".*/"; "")' | paste -sd ' '; }
volume_has() { [[ " $(volume_names) " =~ \ $1\  ]]; }
volume_has_not() { ! volume_has "$1"; }
volume_expires() { sysct query "/1.0/storage-pools/default/volumes/custom/data/snapshots/$1" | jq -r .expires_at; }
set_volume() { sysct storage volume set default data "$@"; }
sysct storage volume create default data
complains 'snapshots.schedule: .*five fields' set_volume snapshots.schedule=often
complains 'a volume does not start' set_volume snapshots.schedule=@startup
complains 'not a time' set_volume snapshots.expiry=soon
complains 'only creation_date' set_volume 'snapshots.pattern={{ name }}'
complains 'no key "snapshots.other"' set_volume snapshots.other=1

# --- one that cannot be removed for a while (the rest goes on meanwhile) ---

stuck_jobs() { sysct query '/1.0/operations?recursion=1' | jq '[.running[]? | select(.description == "Deleting snapshot" and (.resources.instances[0] | endswith("/stuck")))] | length'; }
stuck_job() { [ "$(stuck_jobs)" = 1 ]; }
sysct launch busybox stuck
sysct snapshot stuck old
kill -STOP "$(instance_init_pid stuck)"
sysct stop stuck --timeout 40 &
stopper=$!
sysct query -X PATCH -d "{\"expires_at\": \"$(date -ud '+1 second' +%FT%TZ)\"}" /1.0/instances/stuck/snapshots/old
ok -n "what expires of a busy instance waits" wait_until 20 stuck_job

# --- the clock (it takes up to a minute; the rest goes on meanwhile) ---

sysct profile create clock
sysct profile set clock 'snapshots.schedule=* * * * *'
sysct profile add box clock
sysct profile add stopped clock
sysct config set box snapshots.pattern=auto%d
set_volume 'snapshots.schedule=* * * * *' snapshots.pattern=auto%d

# --- names ---

is "$(sysct snapshot box)" auto0 "a pattern with a number"
is "$(sysct snapshot box)" auto1 "and the next one"
sysct config set box "snapshots.pattern=day-{{ creation_date|date:'20060102' }}"
today=$(date +%Y%m%d)
is "$(sysct snapshot box)" "day-$today" "a pattern with the date"
is "$(sysct snapshot box)" "day-$today-0" "a number is added where it is taken"
sysct config set box snapshots.pattern=auto%d

is "$(sysct storage volume snapshot default data)" auto0 "of a volume"
set_volume "snapshots.pattern=day-{{ creation_date|date:'20060102' }}"
is "$(sysct storage volume snapshot default data)" "day-$today" "with the date"
is "$(sysct storage volume snapshot default data)" "day-$today-0" "and a number where it is taken"
set_volume snapshots.pattern=auto%d

# --- expiry of a volume's ---

set_volume snapshots.expiry=1w snapshots.expiry.manual=2S
sysct storage volume snapshot default data brief
sysct storage volume snapshot default data lasting --no-expiry
is "$(volume_expires lasting)" 0001-01-01T00:00:00Z "--no-expiry"
ok -n "one that expires goes by itself" wait_until 20 volume_has_not brief
ok -n "one that does not stays" volume_has lasting
sysct storage volume unset default data snapshots.expiry.manual
sysct storage volume snapshot default data week
is "$(date -d "$(volume_expires week)" +%Y%m%d)" "$(date -d '+7 days' +%Y%m%d)" "without snapshots.expiry.manual it is snapshots.expiry"
set_expiry() { sysct query -X PATCH -d "{\"expires_at\": \"$2\"}" "/1.0/storage-pools/default/volumes/custom/data/snapshots/$1"; }
ok -n "by 'storage volume edit'" sh -c "sysct storage volume show default data/lasting | sed 's/^expires_at: .*/expires_at: 2035-05-05T05:05:05Z/' | sysct storage volume edit default data/lasting"
like "$(volume_expires lasting)" '^2035-05-05T05:05:05' "it is kept"
ok -n "expires_at by the API" set_expiry week "$(date -ud '-1 minute' +%FT%TZ)"
ok -n "in the past: it goes" wait_until 20 volume_has_not week
is "$(stuck_jobs)" 1 "of the one that waits there is one attempt"

# --- expiry ---

sysct config set box snapshots.expiry=1w snapshots.expiry.manual=2S
sysct snapshot box brief
sysct snapshot box lasting --no-expiry
is "$(expires lasting)" 0001-01-01T00:00:00Z "--no-expiry"
has_not() { ! has "$@"; }
ok -n "one that expires goes by itself" wait_until 20 has_not box brief
ok -n "one that does not stays" has box lasting
sysct config unset box snapshots.expiry.manual
sysct snapshot box week
is "$(date -d "$(expires week)" +%Y%m%d)" "$(date -d '+7 days' +%Y%m%d)" "without snapshots.expiry.manual it is snapshots.expiry"
like "$(sysct snapshot list box -f csv)" "week,[^,]*,20[^,]*," "the list tells"
ok -n "expires_at by the API" sysct query -X PATCH -d "{\"expires_at\": \"$(date -ud '-1 minute' +%FT%TZ)\"}" /1.0/instances/box/snapshots/week
ok -n "in the past: it goes" wait_until 20 has_not box week
ok -n "by 'snapshot edit'" sh -c "sysct snapshot show box lasting | sed 's/^expires_at: .*/expires_at: 2035-05-05T05:05:05Z/' | sysct snapshot edit box lasting"
like "$(expires lasting)" '^2035-05-05T05:05:05' "it is kept"
sysct config set box snapshots.expiry.manual=1S
wait $stopper || true # which gave up
gone() { has_none stuck; }
ok -n "it goes when the instance is free" wait_until 20 gone
is "$(grep -c 'instance=stuck.*snapshot by schedule' "$daemon_log")" 1 "it was tried again once before"
set_volume snapshots.expiry.manual=1S
daemon_stop
daemon_start
sysct storage volume snapshot default data after
ok -n "of a volume after a restart of the daemon" wait_until 20 volume_has_not after
sysct snapshot box after
ok -n "also after a restart of the daemon" wait_until 20 has_not box after

# --- the schedule ---

volume_scheduled() { volume_has 'auto[1-9]'; }
ok -n "the schedule takes one of a volume" wait_until 70 volume_scheduled
found=$(volume_names | grep -o 'auto[1-9]' | head -n 1)
is "$(date -d "$(volume_expires "$found")" +%Y%m%d)" "$(date -d '+7 days' +%Y%m%d)" "which expires by snapshots.expiry, not by .manual"
sysct storage volume unset default data snapshots.schedule

scheduled() { has box 'auto[2-9]'; }
ok -n "the schedule takes one" wait_until 70 scheduled
found=$(names box | grep -o 'auto[2-9]' | head -n 1)
is "$(date -d "$(expires "$found")" +%Y%m%d)" "$(date -d '+7 days' +%Y%m%d)" "which expires by snapshots.expiry, not by .manual"
ok -n "none of one that is stopped" has_none stopped
sysct config set stopped snapshots.schedule.stopped=true
taken() { ! has_none stopped; }
ok -n "but with snapshots.schedule.stopped" wait_until 70 taken
sysct profile unset clock snapshots.schedule
sysct config set stopped snapshots.schedule=@startup snapshots.pattern=start%d
ok sysct start stopped
ok -n "@startup" wait_until 20 has stopped start0
daemon_end
done_testing
