/* Bits of Go's os.FileMode, in which fsutil's packets give the kind of a file and its special permissions. */
#ifndef DORY_API_BUILDKIT_GO_MODE_H
#define DORY_API_BUILDKIT_GO_MODE_H

#define GO_DIR (1u << 31)
#define GO_SYMLINK (1u << 27)
#define GO_DEVICE (1u << 26)
#define GO_FIFO (1u << 25)
#define GO_SOCKET (1u << 24)
#define GO_SETUID (1u << 23)
#define GO_SETGID (1u << 22)
#define GO_CHARACTER (1u << 21)
#define GO_STICKY (1u << 20)

#endif
