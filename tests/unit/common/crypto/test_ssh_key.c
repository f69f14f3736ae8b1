/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge is OpenSSH's own ssh-keygen: it must read the private key and say the same public one.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/crypto/crypto.h"
#include "common/crypto/ssh_key.h"

#include <cmocka.h>

static void openssh_reads(void **state)
{
    const enum bt_ssh_type type = *(enum bt_ssh_type *)*state;
    struct bt_err err = BT_ERR_INIT;
    struct bt_ssh_key k;
    char path[] = "/tmp/berth-sshkey-XXXXXX";
    char command[128];
    char line[1024] = "";
    assert_int_equal(bt_crypto_init(&err), 0);
    for (int i = 0; i < 20; i++) { /* scalars with leading zeros and high bits come by chance */
        assert_int_equal(bt_ssh_key_new(type, "root@guest", &k, &err), 0);
        memcpy(path, "/tmp/berth-sshkey-XXXXXX", sizeof path);
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(bt_write_all(fd, k.private_pem, strlen(k.private_pem), &err), 0);
        (void)close(fd);
        (void)snprintf(command, sizeof command, "ssh-keygen -y -f %s", path);
        FILE *p = popen(command, "r");
        assert_non_null(p);
        assert_non_null(fgets(line, sizeof line, p));
        assert_int_equal(pclose(p), 0);
        assert_string_equal(line, k.public_line);
        (void)unlink(path);
        bt_ssh_key_fini(&k);
    }
}

int main(void)
{
    static enum bt_ssh_type ed25519 = BT_SSH_ED25519;
    static enum bt_ssh_type ecdsa = BT_SSH_ECDSA;
    const struct CMUnitTest tests[] = {
        {"ed25519", openssh_reads, NULL, NULL, &ed25519},
        {"ecdsa", openssh_reads, NULL, NULL, &ecdsa},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
