/* The floor: tickets signed and validated in one C loop, on the libsecp256k1 that coincurve brings along.
 *
 * bench_open(path) loads that library; bench_sign and bench_validate then work on `count` tickets in a row:
 *   messages   count * 232 bytes, packed tickets
 *   signatures count * 65 bytes, r || s || v
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE 232
#define SIGNATURE 65

typedef struct { unsigned char data[65]; } recoverable;
typedef struct { unsigned char data[64]; } pubkey;

static void *context;
static int (*sign_recoverable)(const void *, recoverable *, const unsigned char *, const unsigned char *, void *, const void *);
static int (*serialize)(const void *, unsigned char *, int *, const recoverable *);
static int (*parse)(const void *, recoverable *, const unsigned char *, int);
static int (*recover)(const void *, pubkey *, const recoverable *, const unsigned char *);
static int (*serialize_key)(const void *, unsigned char *, size_t *, const pubkey *, unsigned int);

int bench_open(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return 0;
    void *(*create)(unsigned int) = (void *(*)(unsigned int))dlsym(library, "secp256k1_context_create");
    *(void **)&sign_recoverable = dlsym(library, "secp256k1_ecdsa_sign_recoverable");
    *(void **)&serialize = dlsym(library, "secp256k1_ecdsa_recoverable_signature_serialize_compact");
    *(void **)&parse = dlsym(library, "secp256k1_ecdsa_recoverable_signature_parse_compact");
    *(void **)&recover = dlsym(library, "secp256k1_ecdsa_recover");
    *(void **)&serialize_key = dlsym(library, "secp256k1_ec_pubkey_serialize");
    if (!create || !sign_recoverable || !serialize || !parse || !recover || !serialize_key) return 0;
    context = create(0x0301);
    return context != NULL;
}

static const uint64_t round_constants[24] = {
    0x0000000000000001ULL, 0x0000000000008082ULL, 0x800000000000808aULL, 0x8000000080008000ULL,
    0x000000000000808bULL, 0x0000000080000001ULL, 0x8000000080008081ULL, 0x8000000000008009ULL,
    0x000000000000008aULL, 0x0000000000000088ULL, 0x0000000080008009ULL, 0x000000008000000aULL,
    0x000000008000808bULL, 0x800000000000008bULL, 0x8000000000008089ULL, 0x8000000000008003ULL,
    0x8000000000008002ULL, 0x8000000000000080ULL, 0x000000000000800aULL, 0x800000008000000aULL,
    0x8000000080008081ULL, 0x8000000000008080ULL, 0x0000000080000001ULL, 0x8000000080008008ULL};

#define ROL(x, n) ((n) ? ((x) << (n)) | ((x) >> (64 - (n))) : (x))

/* Rotations of FIPS 202, table 2, at x + 5 y. */
#define RHO_PI(B, A, x, y, n) B[(y) + 5 * ((2 * (x) + 3 * (y)) % 5)] = ROL(A[(x) + 5 * (y)] ^ D[x], n)

static void permute(uint64_t A[25]) {
    uint64_t B[25], C[5], D[5];
    for (int turn = 0; turn < 24; turn++) {
        for (int x = 0; x < 5; x++) C[x] = A[x] ^ A[x + 5] ^ A[x + 10] ^ A[x + 15] ^ A[x + 20];
        D[0] = C[4] ^ ROL(C[1], 1);
        D[1] = C[0] ^ ROL(C[2], 1);
        D[2] = C[1] ^ ROL(C[3], 1);
        D[3] = C[2] ^ ROL(C[4], 1);
        D[4] = C[3] ^ ROL(C[0], 1);
        RHO_PI(B, A, 0, 0, 0);  RHO_PI(B, A, 1, 0, 1);  RHO_PI(B, A, 2, 0, 62); RHO_PI(B, A, 3, 0, 28); RHO_PI(B, A, 4, 0, 27);
        RHO_PI(B, A, 0, 1, 36); RHO_PI(B, A, 1, 1, 44); RHO_PI(B, A, 2, 1, 6);  RHO_PI(B, A, 3, 1, 55); RHO_PI(B, A, 4, 1, 20);
        RHO_PI(B, A, 0, 2, 3);  RHO_PI(B, A, 1, 2, 10); RHO_PI(B, A, 2, 2, 43); RHO_PI(B, A, 3, 2, 25); RHO_PI(B, A, 4, 2, 39);
        RHO_PI(B, A, 0, 3, 41); RHO_PI(B, A, 1, 3, 45); RHO_PI(B, A, 2, 3, 15); RHO_PI(B, A, 3, 3, 21); RHO_PI(B, A, 4, 3, 8);
        RHO_PI(B, A, 0, 4, 18); RHO_PI(B, A, 1, 4, 2);  RHO_PI(B, A, 2, 4, 61); RHO_PI(B, A, 3, 4, 56); RHO_PI(B, A, 4, 4, 14);
        for (int y = 0; y < 25; y += 5)
            for (int x = 0; x < 5; x++) A[y + x] = B[y + x] ^ (~B[y + (x + 1) % 5] & B[y + (x + 2) % 5]);
        A[0] ^= round_constants[turn];
    }
}

static void keccak256(unsigned char out[32], const unsigned char *data, size_t length) {
    uint64_t state[25] = {0};
    unsigned char block[136];
    while (length >= 136) {
        for (int i = 0; i < 17; i++) {
            uint64_t word;
            memcpy(&word, data + 8 * i, 8);
            state[i] ^= word;
        }
        permute(state);
        data += 136;
        length -= 136;
    }
    memset(block, 0, sizeof block);
    memcpy(block, data, length);
    block[length] ^= 0x01;
    block[135] ^= 0x80;
    for (int i = 0; i < 17; i++) {
        uint64_t word;
        memcpy(&word, block + 8 * i, 8);
        state[i] ^= word;
    }
    permute(state);
    memcpy(out, state, 32);
}

void bench_keccak(unsigned char *out, const unsigned char *data, size_t length) { keccak256(out, data, length); }

static void digest(unsigned char out[32], const unsigned char *message) {
    unsigned char prefixed[60];
    memcpy(prefixed, "\x19" "Ethereum Signed Message:\n32", 28);
    keccak256(prefixed + 28, message, MESSAGE);
    keccak256(out, prefixed, 60);
}

int bench_sign(const unsigned char *messages, const unsigned char *key, unsigned char *signatures, size_t count) {
    for (size_t at = 0; at < count; at++) {
        unsigned char hash[32];
        recoverable signature;
        int id;
        digest(hash, messages + at * MESSAGE);
        if (!sign_recoverable(context, &signature, hash, key, NULL, NULL)) return 0;
        serialize(context, signatures + at * SIGNATURE, &id, &signature);
        signatures[at * SIGNATURE + 64] = (unsigned char)(27 + id);
    }
    return 1;
}

/* Per ticket: hash, canonical form, recover, compare, draw, nonce unseen. verdicts: 0 bad, 1 lost, 2 won, 3 seen. */
void bench_validate(const unsigned char *messages, const unsigned char *signatures, const unsigned char *sender,
                    const unsigned char *rand, const unsigned char *win_prob, unsigned char *seen,
                    unsigned char *verdicts, size_t count) {
    static const unsigned char half[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
                                           0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
    for (size_t at = 0; at < count; at++) {
        const unsigned char *sig = signatures + at * SIGNATURE, *message = messages + at * MESSAGE;
        unsigned char hash[32], raw[65], address[32], drawn[97], draw[32];
        size_t length = 65;
        recoverable signature;
        pubkey key;
        verdicts[at] = 0;
        if ((sig[64] != 27 && sig[64] != 28) || memcmp(sig + 32, half, 32) > 0) continue;
        digest(hash, message);
        if (!parse(context, &signature, sig, sig[64] - 27) || !recover(context, &key, &signature, hash)) continue;
        serialize_key(context, raw, &length, &key, 2);
        keccak256(address, raw + 1, 64);
        if (memcmp(address + 12, sender, 20)) continue;
        uint32_t nonce = (uint32_t)message[134] << 8 | message[135];
        if (seen[nonce]) {
            verdicts[at] = 3;
            continue;
        }
        seen[nonce] = 1;
        memcpy(drawn, sig, 65);
        memcpy(drawn + 65, rand, 32);
        keccak256(draw, drawn, 97);
        verdicts[at] = memcmp(draw, win_prob, 32) < 0 ? 2 : 1;
    }
}
