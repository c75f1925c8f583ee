/* SPDX-License-Identifier: MIT */
/*
 * What:  what the files of the command share.
 */
#ifndef BM_TOOLS_COMMAND_H
#define BM_TOOLS_COMMAND_H

enum { EXIT_USAGE = 2, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* One line on standard error, and the end. */
__attribute__((noreturn, format(printf, 2, 3)))
void die(int status, const char *fmt, ...);

/* `buddymalloc stat`: what follows the word. */
__attribute__((noreturn)) void stat_command(char **arg);

#endif
