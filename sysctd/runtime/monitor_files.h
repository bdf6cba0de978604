/* Files in a monitor's directory, known to the monitor and to sysctd. */
#ifndef SYSCT_MONITOR_FILES_H
#define SYSCT_MONITOR_FILES_H

#define MONITOR_SPEC   "config.json"
#define MONITOR_STATE  "state.json"
#define MONITOR_SOCKET "monitor.socket"

#endif
