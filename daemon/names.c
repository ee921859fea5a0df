#include "daemon/names.h"

#include <stdint.h>
#include <sys/random.h>

#include "base/memory.h"

static const char *const adjectives[] = {
    "agile",   "ample",  "amber",  "apt",     "astute", "balmy",    "bold",   "brave",   "breezy",   "bright",
    "brisk",   "calm",   "candid", "careful", "cheery", "civil",    "clear",  "clever",  "cosy",     "crisp",
    "curious", "daring", "deft",   "earnest", "eager",  "early",    "easy",   "exact",   "fair",     "fleet",
    "fluent",  "fond",   "frank",  "fresh",   "gentle", "gifted",   "glad",   "golden",  "graceful", "handy",
    "hardy",   "hearty", "honest", "humble",  "ideal",  "jolly",    "keen",   "kind",    "lively",   "loyal",
    "lucid",   "lucky",  "mellow", "merry",   "mighty", "mild",     "modest", "neat",    "nimble",   "noble",
    "patient", "placid", "plucky", "polite",  "proud",  "prudent",  "quick",  "quiet",   "rapid",    "ready",
    "robust",  "rosy",   "sage",   "sane",    "serene", "sharp",    "silver", "sincere", "sleek",    "smart",
    "smooth",  "snug",   "sober",  "solid",   "sound",  "spry",     "stable", "steady",  "sturdy",   "subtle",
    "sunny",   "supple", "swift",  "tender",  "tidy",   "tireless", "trim",   "trusty",  "upbeat",   "valiant",
    "vivid",   "warm",   "wary",   "wise",    "witty",  "zesty",
};

static const char *const surnames[] = {
    "abelson",  "adleman",  "agarwal",    "aho",       "allen",     "backus",    "baran",    "barton",    "bartik",
    "bell",     "berners",  "boole",      "borg",      "brooks",    "cerf",      "church",   "clark",     "cocke",
    "codd",     "conway",   "corbato",    "cray",      "curry",     "dahl",      "davies",   "diffie",    "dijkstra",
    "easley",   "eckert",   "elkins",     "engelbart", "erdos",     "euler",     "feinler",  "floyd",     "galois",
    "germain",  "goldberg", "goldwasser", "gosling",   "granville", "gray",      "hamilton", "hamming",   "hellman",
    "hewitt",   "hoare",    "holberton",  "hollerith", "hopper",    "huffman",   "iverson",  "jacobson",  "jennings",
    "johnson",  "kahn",     "karp",       "kay",       "keller",    "kernighan", "kleene",   "kleinrock", "knuth",
    "lamarr",   "lampson",  "lamport",    "leibniz",   "lempel",    "liskov",    "lovelace", "mauchly",   "mccarthy",
    "metcalfe", "milner",   "minsky",     "moore",     "naur",      "newell",    "noether",  "nygaard",   "pascal",
    "perlis",   "perlman",  "postel",     "rabin",     "ritchie",   "rivest",    "sammet",   "scott",     "shamir",
    "shannon",  "simon",    "snyder",     "stallings", "strachey",  "tarjan",    "thompson", "torres",    "turing",
    "ullman",   "vaughan",  "wheeler",    "wilkes",    "wirth",     "yao",       "zuse",
};

char *name_generate(unsigned retry)
{
    uint32_t random[3] = {0};
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    const char *adjective = adjectives[random[0] % ARRAY_SIZE(adjectives)];
    const char *surname = surnames[random[1] % ARRAY_SIZE(surnames)];
    if (retry == 0)
        return xasprintf("%s_%s", adjective, surname);
    return xasprintf("%s_%s%u", adjective, surname, random[2] % (retry < 4 ? 10 : 100000));
}

bool name_is_valid(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t size = strlen(name);
    return size >= 2 && size <= 255 && strspn(name, first) > 0 && strspn(name, rest) == size;
}
