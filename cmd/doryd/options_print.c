#include "cmd/doryd/options_rows.h"

void daemon_options_print_help(FILE *out)
{
    fprintf(out, "\nUsage:  doryd [OPTIONS]\n\nA container engine with the Docker Engine API.\n\nOptions:\n");
    for (size_t i = 0; i < option_row_count; i++) {
        CLEANUP_FREE char *left = xasprintf("%s %s", option_rows[i].flag, option_type_name(&option_rows[i]));

        if (option_rows[i].flags & ROW_JSON_ONLY)
            continue;
        if (option_rows[i].letter)
            fprintf(out, "  -%c, ", option_rows[i].letter);
        else
            fprintf(out, "      ");
        fprintf(out, "--%-32s %s", left, option_rows[i].help);
        if (option_rows[i].initial && strcmp(option_rows[i].initial, "false") != 0)
            fprintf(out, " (default %s)", option_rows[i].initial);
        fputc('\n', out);
    }
    fprintf(out, "      --%-32s Settings in JSON (default " DEFAULT_CONFIG_FILE ")\n", "config-file string");
    fprintf(out,
            "  -h, --%-32s Print this\n      --%-32s Check the settings and exit\n  -v, --%-32s Print the version\n",
            "help", "validate", "version");
}

void daemon_options_print_man(FILE *out)
{
    fprintf(out,
            ".TH DORYD 8\n.SH NAME\ndoryd \\- container engine with the Docker Engine API\n.SH SYNOPSIS\n.B doryd\n"
            "[OPTIONS]\n.SH OPTIONS\n");
    for (size_t i = 0; i < option_row_count; i++) {
        fprintf(out, ".TP\n");
        if (option_rows[i].letter)
            fprintf(out, "\\fB\\-%c\\fR, ", option_rows[i].letter);
        fprintf(out, "\\fB%s%s\\fR \\fI%s\\fR\n%s.", option_rows[i].flags & ROW_JSON_ONLY ? "" : "\\-\\-",
                option_rows[i].flag, option_type_name(&option_rows[i]), option_rows[i].help);
        if (option_rows[i].initial)
            fprintf(out, " Default: %s.", option_rows[i].initial);
        if (!(option_rows[i].flags & ROW_NO_JSON))
            fprintf(out, " In daemon.json: \"%s\"%s.", option_key(&option_rows[i]),
                    option_rows[i].flags & ROW_RELOAD ? " (read again on SIGHUP)" : "");
        fputc('\n', out);
    }
    fprintf(out, ".TP\n\\fB\\-\\-config\\-file\\fR \\fIstring\\fR\nSettings in JSON. Default: " DEFAULT_CONFIG_FILE
                 ". A setting that is also given as a flag is an error.\n.SH SIGNALS\nSIGTERM and SIGINT end the "
                 "daemon; SIGHUP reads daemon.json again.\n");
}
