z.c
