/* Counts every call that changes a file below one folder, and at the N-th ends the process or fails.

   It is loaded before libc (LD_PRELOAD). What to do lies in memory that is shared with the process
   that started this one (`struct plan`, the same as in preload.py); calls of a process that is not armed
   pass through. Calls are logged there, so that one who looks later knows which files had bytes
   that no fsync had brought to the disk. The clock can be moved as well. Or the process is stopped
   before every call, and in the midst of every write, until the one that started it lets it go on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000
#define LONGEST 224

enum { WATCH, KILL, HALF, FAIL_ONCE, FAIL_ON, FILL, DELETE, CUT, REPLACE, STOP };

struct call {
    char name[16];
    uint64_t inode;
    char path[LONGEST];
};

struct plan {
    int64_t armed, action, error, at, count, clock, stopped, half;
    char root[1024], other[1024], spare[1024];
    struct call calls[MOST];
};

static struct plan *plan;

void faults_use(void *memory) { plan = memory; }

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int below(const char *path) {
    size_t n = strlen(plan->root);
    return strncmp(path, plan->root, n) == 0 && (path[n] == '/' || path[n] == 0 || path[n] == ' ');
}

static int place_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, 4095);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

static int place_at(int folder, const char *name, char *path) {
    if (!name) return 0;
    if (name[0] == '/') {
        snprintf(path, 4096, "%s", name);
        return below(path);
    }
    char here[4096];
    if (folder == AT_FDCWD) {
        if (!getcwd(here, sizeof here)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, here, sizeof here - 1);
        if (n < 0) return 0;
        here[n] = 0;
    }
    if (strlen(here) + strlen(name) > 4000) return 0;
    sprintf(path, "%s/%s", here, name);
    return below(path);
}

static uint64_t inode_of(int file) {
    struct stat facts;
    return fstat(file, &facts) ? 0 : facts.st_ino;
}

/* Take all that is free on the disk. */
static void fill(const char *path) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY, 0600);
    off_t size = 0;
    for (off_t step = 1 << 30; step >= 4096;) {
        if (syscall(SYS_fallocate, file, 0, size, step) == 0) size += step;
        else step /= 2;
    }
    syscall(SYS_close, file);
}

static void happen(void) {
    switch (plan->action) {
    case KILL: kill(getpid(), SIGKILL); break;
    case FILL: fill(plan->other); break;
    case DELETE: syscall(SYS_unlinkat, AT_FDCWD, plan->other, 0); break;
    case CUT: syscall(SYS_truncate, plan->other, 100); break;
    case REPLACE: syscall(SYS_renameat2, AT_FDCWD, plan->spare, AT_FDCWD, plan->other, 0); break;
    }
}

static int busy;
static __thread int64_t mine;

/* Stop the whole process, one of its threads at a time. */
static void stop(int half) {
    while (__atomic_exchange_n(&busy, 1, __ATOMIC_SEQ_CST)) sched_yield();
    plan->stopped = mine;
    plan->half = half;
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
    __atomic_store_n(&busy, 0, __ATOMIC_SEQ_CST);
}

/* Note a call. Gives whether it has to fail; ends the process where that was asked for. */
static int met(const char *name, const char *path, uint64_t inode) {
    int64_t i = __atomic_fetch_add(&plan->count, 1, __ATOMIC_SEQ_CST);
    if (i < MOST) {
        snprintf(plan->calls[i].name, 16, "%s", name);
        plan->calls[i].inode = inode;
        snprintf(plan->calls[i].path, LONGEST, "%s", path + strlen(plan->root));
    }
    mine = i;
    if (plan->action == STOP) stop(0);
    if (i == plan->at) happen();
    if (plan->action == FAIL_ONCE) return i == plan->at;
    return plan->action == FAIL_ON && i >= plan->at;
}

static int halved(size_t n) { return plan->action == STOP && n > 1; }

static int last(void) { return plan->action == HALF && plan->count - 1 == plan->at; }

/* A disk without space still takes bytes where a file has its place. */
static int grows(int file, off_t end) {
    struct stat facts;
    if (plan->error != ENOSPC && plan->error != EDQUOT) return 1;
    return fstat(file, &facts) || end < 0 || end > (off_t)facts.st_blocks * 512;
}

static int space(void) {
    return plan->error == ENOSPC || plan->error == EDQUOT || plan->error == EIO;
}

static int denied(void) { return plan->error == EACCES || plan->error == EIO; }

#define FAIL(value) do { errno = (int)plan->error; return value; } while (0)
#define PASS (!plan || plan->armed != getpid())

static int fails_write(const char *name, int file, const char *path, off_t end) {
    return met(name, path, inode_of(file)) && space() && grows(file, end);
}

static off_t after(int file, size_t n) {
    struct stat facts;
    if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &facts) ? -1 : facts.st_size + (off_t)n;
    off_t here = lseek(file, 0, SEEK_CUR);
    return here < 0 ? -1 : here + (off_t)n;
}

ssize_t write(int file, const void *data, size_t n) {
    REAL(write);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, data, n);
    if (fails_write("write", file, path, after(file, n))) FAIL(-1);
    if (last()) { real(file, data, n / 2); kill(getpid(), SIGKILL); }
    if (halved(n)) {
        ssize_t done = real(file, data, n / 2);
        if (done < 0) return done;
        stop(1);
        ssize_t more = real(file, (const char *)data + done, n - done);
        return more < 0 ? done : done + more;
    }
    return real(file, data, n);
}

ssize_t pwrite64(int file, const void *data, size_t n, off_t at) {
    REAL(pwrite64);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, data, n, at);
    if (fails_write("pwrite", file, path, at + (off_t)n)) FAIL(-1);
    if (last()) { real(file, data, n / 2, at); kill(getpid(), SIGKILL); }
    if (halved(n)) {
        ssize_t done = real(file, data, n / 2, at);
        if (done < 0) return done;
        stop(1);
        ssize_t more = real(file, (const char *)data + done, n - done, at + done);
        return more < 0 ? done : done + more;
    }
    return real(file, data, n, at);
}

ssize_t pwrite(int file, const void *data, size_t n, off_t at) { return pwrite64(file, data, n, at); }

static size_t length(const struct iovec *parts, int count) {
    size_t n = 0;
    for (int i = 0; i < count; i++) n += parts[i].iov_len;
    return n;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, parts, count);
    if (fails_write("writev", file, path, after(file, length(parts, count)))) FAIL(-1);
    if (last()) { real(file, parts, count / 2); kill(getpid(), SIGKILL); }
    if (halved(count)) {
        ssize_t done = real(file, parts, count / 2);
        if (done != (ssize_t)length(parts, count / 2)) return done;
        stop(1);
        ssize_t more = real(file, parts + count / 2, count - count / 2);
        return more < 0 ? done : done + more;
    }
    return real(file, parts, count);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at) {
    REAL(pwritev64);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, parts, count, at);
    if (fails_write("pwritev", file, path, at + (off_t)length(parts, count))) FAIL(-1);
    if (last()) { real(file, parts, count / 2, at); kill(getpid(), SIGKILL); }
    if (halved(count)) {
        ssize_t done = real(file, parts, count / 2, at);
        if (done != (ssize_t)length(parts, count / 2)) return done;
        stop(1);
        ssize_t more = real(file, parts + count / 2, count - count / 2, at + done);
        return more < 0 ? done : done + more;
    }
    return real(file, parts, count, at);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    return pwritev64(file, parts, count, at);
}

ssize_t sendfile64(int to, int from, off_t *at, size_t n) {
    REAL(sendfile64);
    char path[4096];
    if (PASS || !place_of(to, path)) return real(to, from, at, n);
    if (fails_write("sendfile", to, path, after(to, 1))) FAIL(-1);
    if (last()) { real(to, from, at, 1); kill(getpid(), SIGKILL); }
    if (halved(n)) {
        ssize_t done = real(to, from, at, 1);
        if (done < 1) return done;
        stop(1);
        ssize_t more = real(to, from, at, n - done);
        return more < 0 ? done : done + more;
    }
    return real(to, from, at, n);
}

ssize_t sendfile(int to, int from, off_t *at, size_t n) { return sendfile64(to, from, at, n); }

ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t n, unsigned flags) {
    REAL(copy_file_range);
    char path[4096];
    if (PASS || !place_of(to, path)) return real(from, in, to, out, n, flags);
    if (fails_write("copy", to, path, -1)) FAIL(-1);
    return real(from, in, to, out, n, flags);
}

static int synced(const char *name, int file, const char *path) {
    /* on network disks the writes succeed, and this says that there was no space for them */
    return met(name, path, inode_of(file)) && space();
}

int fsync(int file) {
    REAL(fsync);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file);
    if (synced("fsync", file, path)) FAIL(-1);
    return real(file);
}

int fdatasync(int file) {
    REAL(fdatasync);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file);
    if (synced("fdatasync", file, path)) FAIL(-1);
    return real(file);
}

int ftruncate64(int file, off_t size) {
    REAL(ftruncate64);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, size);
    if (met("ftruncate", path, inode_of(file)) && plan->error == EIO) FAIL(-1);
    return real(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int posix_fallocate64(int file, off_t at, off_t n) {
    REAL(posix_fallocate64);
    char path[4096];
    if (PASS || !place_of(file, path)) return real(file, at, n);
    if (fails_write("fallocate", file, path, at + n)) return (int)plan->error;
    return real(file, at, n);
}

int posix_fallocate(int file, off_t at, off_t n) { return posix_fallocate64(file, at, n); }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(renameat2);
    char path[4096];
    if (PASS || !place_at(to, new, path)) return real(from, old, to, new, flags);
    if (met("rename", path, 0) && denied()) FAIL(-1);
    return real(from, old, to, new, flags);
}

int renameat(int from, const char *old, int to, const char *new) {
    return renameat2(from, old, to, new, 0);
}

int rename(const char *old, const char *new) {
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(linkat);
    char path[4096];
    if (PASS || !place_at(to, new, path)) return real(from, old, to, new, flags);
    /* EACCES here means "no hard links" to those who can do without */
    if (met("link", path, 0)) FAIL(-1);
    return real(from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int symlinkat(const char *old, int to, const char *new) {
    REAL(symlinkat);
    char path[4096];
    if (PASS || !place_at(to, new, path)) return real(old, to, new);
    if (met("symlink", path, 0)) FAIL(-1);
    return real(old, to, new);
}

int symlink(const char *old, const char *new) { return symlinkat(old, AT_FDCWD, new); }

int unlinkat(int folder, const char *name, int flags) {
    REAL(unlinkat);
    char path[4096];
    if (PASS || !place_at(folder, name, path)) return real(folder, name, flags);
    if (met(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, 0) && denied()) FAIL(-1);
    return real(folder, name, flags);
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    REAL(mkdirat);
    char path[4096];
    if (PASS || !place_at(folder, name, path)) return real(folder, name, mode);
    if (met("mkdir", path, 0)) FAIL(-1);
    return real(folder, name, mode);
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* Opening changes something where it makes a file or empties one. */
static int opens(int folder, const char *name, int flags) {
    char path[4096];
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    if (PASS || !writes || (flags & O_TMPFILE) == O_TMPFILE || !place_at(folder, name, path)) return 1;
    struct stat facts;
    int there = fstatat(folder, name, &facts, 0) == 0;
    if (there ? !(flags & O_TRUNC) && plan->error != EACCES : !(flags & O_CREAT)) return 1;
    int fails = met(there ? "open" : "create", path, there ? facts.st_ino : 0);
    return !fails || (there && !denied());
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    REAL(openat64);
    if (!opens(folder, name, flags)) FAIL(-1);
    return real(folder, name, flags, mode);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }

static int stdio_flags(const char *mode) {
    return mode[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : mode[0] == 'a' ? O_WRONLY | O_CREAT : 0;
}

FILE *fopen(const char *name, const char *mode) {
    REAL(fopen);
    if (!opens(AT_FDCWD, name, stdio_flags(mode))) FAIL(NULL);
    return real(name, mode);
}

FILE *fopen64(const char *name, const char *mode) {
    REAL(fopen64);
    if (!opens(AT_FDCWD, name, stdio_flags(mode))) FAIL(NULL);
    return real(name, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int failed = real(clock, now);
    if (!failed && !PASS && clock == CLOCK_REALTIME) now->tv_sec += plan->clock;
    return failed;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone) {
    REAL(gettimeofday);
    int failed = real(now, zone);
    if (!failed && !PASS) now->tv_sec += plan->clock;
    return failed;
}
