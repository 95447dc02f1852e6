/*
 * What sending one frame to N sockets costs, and nothing else.
 *
 *     fanout SOCKETS BYTES ROUNDS
 *
 * Connects SOCKETS pairs over the loopback. A child process reads them and throws away what comes;
 * this one sends a frame of BYTES to each, ROUNDS times, and prints the microseconds of its own CPU
 * time (user and system) for each send.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_BYTES = 65536, PAUSE_MICROSECONDS = 20000 };

static void require(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static void drain(int count, const int *sockets) {
    static char buffer[READ_BYTES];
    struct epoll_event event, ready[EVENTS];
    int poll = epoll_create1(0);
    require(poll >= 0, "epoll_create1");
    for (int n = 0; n < count; n++) {
        event.events = EPOLLIN;
        event.data.fd = sockets[n];
        require(epoll_ctl(poll, EPOLL_CTL_ADD, sockets[n], &event) == 0, "epoll_ctl");
    }
    for (;;) {
        int found = epoll_wait(poll, ready, EVENTS, -1);
        for (int n = 0; n < found; n++)
            if (read(ready[n].data.fd, buffer, sizeof buffer) == 0)
                exit(0);
    }
}

static double cpu_microseconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
}

int main(int argc, char **argv) {
    require(argc == 4, "usage: fanout SOCKETS BYTES ROUNDS");
    int count = atoi(argv[1]), bytes = atoi(argv[2]), rounds = atoi(argv[3]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int *ours = calloc(count, sizeof *ours), *theirs = calloc(count, sizeof *theirs);
    char *frame = malloc(bytes);
    memset(frame, 'x', bytes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    require(bind(listening, (struct sockaddr *)&address, size) == 0, "bind");
    require(listen(listening, 128) == 0, "listen");
    require(getsockname(listening, (struct sockaddr *)&address, &size) == 0, "getsockname");
    for (int n = 0; n < count; n++) {
        theirs[n] = socket(AF_INET, SOCK_STREAM, 0);
        require(connect(theirs[n], (struct sockaddr *)&address, size) == 0, "connect");
        ours[n] = accept(listening, NULL, NULL);
        require(ours[n] >= 0, "accept");
    }

    pid_t reader = fork();
    require(reader >= 0, "fork");
    if (reader == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        drain(count, theirs);
    }
    for (int n = 0; n < count; n++)
        close(theirs[n]);
    double before = cpu_microseconds();
    for (int round = 0; round < rounds; round++) {
        for (int n = 0; n < count; n++)
            require(send(ours[n], frame, bytes, MSG_NOSIGNAL) == bytes, "send");
        usleep(PAUSE_MICROSECONDS); /* the reader's turn */
    }
    printf("%.3f\n", (cpu_microseconds() - before) / ((double)rounds * count));
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    return 0;
}
