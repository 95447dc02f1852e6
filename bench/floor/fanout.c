/*
 * What sending one frame to N sockets costs, and nothing else.
 *
 *     fanout SOCKETS BYTES ROUNDS PER_SECOND READER_CPU
 *
 * A child process on READER_CPU connects SOCKETS times over the loopback, reads, and throws away
 * what comes. This one sends a frame of BYTES to each, ROUNDS times, PER_SECOND rounds a second, and
 * prints the microseconds of its own CPU time (user and system) for each send.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_BYTES = 65536, BACKLOG = 4096, SETTLE_SECONDS = 1 };
enum { NANOSECONDS = 1000000000 };

static void require(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static void stay_on(int cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    require(sched_setaffinity(0, sizeof cpus, &cpus) == 0, "sched_setaffinity");
}

static void drain(int count, const struct sockaddr_in *address) {
    static char buffer[READ_BYTES];
    struct epoll_event event = {.events = EPOLLIN}, ready[EVENTS];
    int poll = epoll_create1(0);
    require(poll >= 0, "epoll_create1");
    for (int n = 0; n < count; n++) {
        event.data.fd = socket(AF_INET, SOCK_STREAM, 0);
        require(event.data.fd >= 0, "socket");
        require(connect(event.data.fd, (void *)address, sizeof *address) == 0, "connect");
        require(epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event) == 0, "epoll_ctl");
    }
    for (;;) {
        int found = epoll_wait(poll, ready, EVENTS, -1);
        for (int n = 0; n < found; n++)
            if (read(ready[n].data.fd, buffer, sizeof buffer) <= 0)
                exit(0);
    }
}

static double cpu_microseconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
}

static void wait_for(struct timespec *turn, double seconds) {
    long nanoseconds = turn->tv_nsec + (long)(seconds * NANOSECONDS);
    turn->tv_sec += nanoseconds / NANOSECONDS;
    turn->tv_nsec = nanoseconds % NANOSECONDS;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, turn, NULL);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: fanout SOCKETS BYTES ROUNDS PER_SECOND READER_CPU\n");
        return 2;
    }
    int count = atoi(argv[1]), bytes = atoi(argv[2]), rounds = atoi(argv[3]);
    double per_second = atof(argv[4]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int *sockets = calloc(count, sizeof *sockets);
    char *frame = malloc(bytes);
    require(sockets != NULL && frame != NULL, "malloc");
    memset(frame, 'x', bytes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    require(bind(listening, (void *)&address, size) == 0, "bind");
    require(listen(listening, BACKLOG) == 0, "listen");
    require(getsockname(listening, (void *)&address, &size) == 0, "getsockname");

    pid_t reader = fork();
    require(reader >= 0, "fork");
    if (reader == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        stay_on(atoi(argv[5]));
        drain(count, &address);
    }
    for (int n = 0; n < count; n++) {
        sockets[n] = accept(listening, NULL, NULL);
        require(sockets[n] >= 0, "accept");
    }
    sleep(SETTLE_SECONDS);

    struct timespec turn;
    clock_gettime(CLOCK_MONOTONIC, &turn);
    double before = cpu_microseconds();
    for (int round = 0; round < rounds; round++) {
        for (int n = 0; n < count; n++)
            require(send(sockets[n], frame, bytes, MSG_NOSIGNAL) == bytes, "send");
        wait_for(&turn, 1 / per_second);
    }
    printf("%.3f\n", (cpu_microseconds() - before) / ((double)rounds * count));
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    return 0;
}
