#!/bin/bash
# Snapshots by the clock: schedules, names by a pattern, and the times at which they go.
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

# --- the clock (it takes up to a minute; the rest goes on meanwhile) ---

sysct profile create clock
sysct profile set clock 'snapshots.schedule=* * * * *'
sysct profile add box clock
sysct profile add stopped clock
sysct config set box snapshots.pattern=auto%d

# --- names ---

is "$(sysct snapshot box)" auto0 "a pattern with a number"
is "$(sysct snapshot box)" auto1 "and the next one"
sysct config set box "snapshots.pattern=day-{{ creation_date|date:'20060102' }}"
today=$(date +%Y%m%d)
is "$(sysct snapshot box)" "day-$today" "a pattern with the date"
is "$(sysct snapshot box)" "day-$today-0" "a number is added where it is taken"
sysct config set box snapshots.pattern=auto%d

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
daemon_stop
daemon_start
sysct snapshot box after
ok -n "also after a restart of the daemon" wait_until 20 has_not box after

# --- the schedule ---

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
