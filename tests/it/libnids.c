/* Prints what the scan detector of libnids warns of in a capture: a line a warning, the source first, then each
 * target:port in the order in which it was seen. Compiled and run by presets.rs where libnids is installed. */
#include <arpa/inet.h>
#include <nids.h>
#include <stdint.h>
#include <stdio.h>

/* What a warning carries, as libnids' documentation describes it. */
struct door {
    uint32_t target;
    unsigned short port;
    uint8_t flags;
};
struct scanner {
    struct scanner *next, *prev;
    uint32_t source;
    int modified;
    int doors;
    struct door *door;
};

static const char *text(uint32_t address) {
    struct in_addr in = {.s_addr = address};
    return inet_ntoa(in);
}

static void warn(int type, int number, struct ip *packet, void *data) {
    const struct scanner *scanner = data;
    (void)number;
    (void)packet;
    if (type != NIDS_WARN_SCAN)
        return;
    printf("%s", text(scanner->source));
    for (int i = 0; i < scanner->doors; i++)
        printf(" %s:%u", text(scanner->door[i].target), scanner->door[i].port);
    printf("\n");
}

int main(int count, char **arguments) {
    struct nids_chksum_ctl unchecked = {0, 0, NIDS_DONT_CHKSUM, 0};
    if (count != 2)
        return 2;
    nids_params.filename = arguments[1];
    nids_params.syslog = warn;
    nids_register_chksum_ctl(&unchecked, 1);
    if (!nids_init())
        return 1;
    nids_run();
    return 0;
}
