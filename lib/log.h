/*
 * Structured log: one line an event, "key=value" pairs after the sentence.
 * On stderr with a time, or with the journal's priority prefix when stderr is
 * connected to it (JOURNAL_STREAM, systemd.exec(5)).
 */
#ifndef SYSCT_LOG_H
#define SYSCT_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Reads the environment once; events below @level are dropped. */
void log_open(enum log_level level);

/**
 * log_event - write one event.
 * @instance: its name, or NULL for events of the whole program.
 */
void log_event(enum log_level level, const char *instance, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
