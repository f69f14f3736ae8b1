/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ping for instances without CAP_NET_RAW: the unprivileged ICMP socket of icmp(7), which the host
 * opens to a guest's groups by net.ipv4.ping_group_range. busybox knows the raw socket only; where
 * that may be opened busybox does all the work.
 */
#define _GNU_SOURCE
#include "tools/images/tiny/ping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DATA_BYTES 56
#define HEADER_BYTES 8

struct ping {
    const char *host;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    socklen_t address_len;
    int fd;
    long count;
    long wait_ms;
    long interval_ms;
    long deadline_ms;
    bool quiet;
    unsigned sent;
    unsigned received;
    double min_ms, max_ms, sum_ms;
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static bool six(const struct ping *p)
{
    return p->address.any.sa_family == AF_INET6;
}

static int set_address(struct ping *p, const char *host)
{
    const char *text = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;

    p->host = host;
    if (inet_pton(AF_INET, text, &p->address.in.sin_addr) == 1) {
        p->address.in.sin_family = AF_INET;
        p->address_len = sizeof(p->address.in);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &p->address.in6.sin6_addr) == 1) {
        p->address.in6.sin6_family = AF_INET6;
        p->address_len = sizeof(p->address.in6);
        return 0;
    }
    fprintf(stderr, "ping: bad address '%s' (without CAP_NET_RAW: numbers only)\n", host);
    return -1;
}

/* "2", "0.25": thousandths of what stands there; up to a million, garbage ends the number. */
static long in_thousandths(const char *text)
{
    long value = 0;
    long unit = 1000;
    bool fraction = false;

    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !fraction); text++) {
        if (*text == '.')
            fraction = true;
        else if (!fraction && value < 1000000L * 1000)
            value = value * 10 + (*text - '0') * 1000L;
        else if (fraction && unit > 1)
            value += (unit /= 10) * (*text - '0');
    }
    return value;
}

static int parse(struct ping *p, int argc, char **argv)
{
    int opt;

    while ((opt = getopt(argc, argv, "46c:W:w:i:s:I:t:A:qn")) != -1) {
        if (opt == 'c')
            p->count = in_thousandths(optarg) / 1000;
        else if (opt == 'W')
            p->wait_ms = in_thousandths(optarg);
        else if (opt == 'w')
            p->deadline_ms = in_thousandths(optarg);
        else if (opt == 'i')
            p->interval_ms = in_thousandths(optarg);
        else if (opt == 'q')
            p->quiet = true;
        else if (opt == '?')
            return -1;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: ping [-46qn] [-c N] [-i S] [-W S] [-w S] ADDRESS\n");
        return -1;
    }
    return set_address(p, argv[optind]);
}

/* The kernel fills in the identifier (it is the socket's port) and the checksum. */
static void send_echo(struct ping *p, unsigned seq)
{
    unsigned char packet[HEADER_BYTES + DATA_BYTES] = {0};

    packet[0] = six(p) ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    packet[6] = (unsigned char)(seq >> 8);
    packet[7] = (unsigned char)seq;
    p->sent++;
    if (sendto(p->fd, packet, sizeof(packet), 0, &p->address.any, p->address_len) < 0)
        fprintf(stderr, "ping: sendto: %s\n", strerror(errno));
}

static bool take_reply(struct ping *p, unsigned seq, double sent_ms)
{
    unsigned char packet[HEADER_BYTES + DATA_BYTES];
    ssize_t len = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT);
    double took_ms = now_ms() - sent_ms;

    if (len < HEADER_BYTES || packet[0] != (six(p) ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
        return false;
    if ((unsigned)(packet[6] << 8 | packet[7]) != (seq & 0xffff))
        return false;
    p->received++;
    p->sum_ms += took_ms;
    if (p->received == 1 || took_ms < p->min_ms)
        p->min_ms = took_ms;
    if (took_ms > p->max_ms)
        p->max_ms = took_ms;
    if (!p->quiet)
        printf("%zd bytes from %s: seq=%u time=%.3f ms\n", len, p->host, seq, took_ms);
    return true;
}

static void one_round(struct ping *p, unsigned seq, bool last)
{
    double sent_ms = now_ms();
    double end_ms = sent_ms + (double)(last ? p->wait_ms : p->interval_ms);
    bool answered = false;

    send_echo(p, seq);
    while (now_ms() < end_ms && !(answered && last)) {
        struct pollfd pfd = {.fd = p->fd, .events = POLLIN};

        if (poll(&pfd, 1, (int)(end_ms - now_ms()) + 1) > 0)
            answered |= take_reply(p, seq, sent_ms);
    }
}

static void summary(const struct ping *p)
{
    unsigned lost = p->sent > p->received ? p->sent - p->received : 0;

    printf("\n--- %s ping statistics ---\n", p->host);
    printf("%u packets transmitted, %u packets received, %u%% packet loss\n", p->sent, p->received,
           p->sent > 0 ? lost * 100 / p->sent : 0);
    if (p->received > 0)
        printf("round-trip min/avg/max = %.3f/%.3f/%.3f ms\n", p->min_ms, p->sum_ms / p->received,
               p->max_ms);
}

static int ping_unprivileged(int argc, char **argv)
{
    struct ping p = {.wait_ms = 10000, .interval_ms = 1000};
    double began_ms = now_ms();

    if (parse(&p, argc, argv) < 0)
        return 1;
    p.fd = six(&p) ? socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMPV6)
                   : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (p.fd < 0) {
        fprintf(stderr, "ping: neither a raw nor an unprivileged socket: %s\n", strerror(errno));
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("PING %s (%s): %d data bytes\n", p.host, p.host, DATA_BYTES);
    for (unsigned seq = 0; p.count == 0 || seq < (unsigned long)p.count; seq++) {
        bool late = p.deadline_ms > 0 && now_ms() - began_ms >= (double)p.deadline_ms;

        if (late)
            break;
        one_round(&p, seq, p.count > 0 && seq + 1 == (unsigned long)p.count);
    }
    summary(&p);
    return p.received > 0 ? 0 : 1;
}

int tiny_ping(int argc, char **argv)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

    if (fd < 0)
        return ping_unprivileged(argc, argv);
    close(fd);
    execv("/bin/busybox", argv);
    perror("ping: /bin/busybox");
    return 1;
}
