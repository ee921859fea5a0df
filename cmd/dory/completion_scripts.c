/* `dory completion SHELL`: the script that the shell sources. PROGRAM stands for the name that the program was called
 * by. */
#include <stdio.h>
#include <string.h>

#include "cmd/dory/command.h"

static const char bash_script[] =
    "# bash completion for PROGRAM: source it, or install it as /usr/share/bash-completion/completions/PROGRAM\n"
    "_PROGRAM() {\n"
    "    local line value last='' IFS=$'\\n' cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    local -a words=() answer=()\n"
    "    # Bash splits at ':' and '='; names of images and --flag=value are put together again.\n"
    "    local text=${COMP_LINE:0:COMP_POINT}\n"
    "    IFS=$' \\t' read -r -a words <<<\"$text\"\n"
    "    case $text in *[[:space:]]) words+=('') ;; esac\n"
    "    cur=${words[${#words[@]}-1]}\n"
    "    mapfile -t answer < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    COMPREPLY=()\n"
    "    local cut=''\n"
    "    case $cur in *[:=]*) cut=${cur%\"${cur##*[:=]}\"} ;; esac\n"
    "    for line in \"${answer[@]}\"; do\n"
    "        case $line in\n"
    "        :[0-9]*) last=$line ;;\n"
    "        *) value=${line%%$'\\t'*}; COMPREPLY+=(\"${value#\"$cut\"}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    if [ \"$last\" = :0 ]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"${cur#\"$cut\"}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _PROGRAM PROGRAM\n";

static const char zsh_script[] =
    "#compdef PROGRAM\n"
    "# zsh completion for PROGRAM: install it as _PROGRAM in a directory of $fpath, or source it\n"
    "_PROGRAM() {\n"
    "    local line last\n"
    "    local -a answer values\n"
    "    answer=(${(f)\"$(${words[1]} __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
    "    for line in $answer; do\n"
    "        if [[ $line == :[0-9]* ]]; then\n"
    "            last=$line\n"
    "        elif [[ $line == *$'\\t'* ]]; then\n"
    "            values+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "        else\n"
    "            values+=(\"${line//:/\\\\:}\")\n"
    "        fi\n"
    "    done\n"
    "    (( $#values )) && _describe 'PROGRAM' values\n"
    "    [[ $last == :0 ]] && _files\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _PROGRAM ]; then\n"
    "    _PROGRAM \"$@\"\n"
    "else\n"
    "    compdef _PROGRAM PROGRAM\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for PROGRAM: install it as PROGRAM.fish in a completions directory, or source it\n"
    "function __PROGRAM_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    set -l answer ($words[1] __complete $words[2..-1] \"$current\" 2>/dev/null)\n"
    "    for line in $answer\n"
    "        if not string match -qr '^:[0-9]+$' -- $line\n"
    "            echo $line\n"
    "        end\n"
    "    end\n"
    "    if test \"$answer[-1]\" = ':0'\n"
    "        __fish_complete_path \"$current\"\n"
    "    end\n"
    "end\n"
    "complete -c PROGRAM -f -a '(__PROGRAM_complete)'\n";

static int print_script(const char *script, const char *program)
{
    for (const char *p = script; *p;) {
        const char *mark = strstr(p, "PROGRAM");
        size_t size = mark ? (size_t)(mark - p) : strlen(p);
        fwrite(p, 1, size, stdout);
        if (mark)
            fputs(program, stdout);
        p += size + (mark ? strlen("PROGRAM") : 0);
    }
    return 0;
}

#define SHELL(shell)                                                                                                   \
    static int run_##shell(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)              \
    {                                                                                                                  \
        (void)flags, (void)arguments, (void)err;                                                                       \
        return print_script(shell##_script, cli->program);                                                             \
    }                                                                                                                  \
    const struct command command_completion_##shell = {                                                                \
        .name = "completion " #shell,                                                                                  \
        .usage = "",                                                                                                   \
        .summary = "Generate the autocompletion script for " #shell,                                                   \
        .local = true,                                                                                                 \
        .run = run_##shell,                                                                                            \
    }
SHELL(bash);
SHELL(zsh);
SHELL(fish);
