/* Peaks by m/z: a stable radix sort from the most significant digit, whose buckets soon fit into the cache. */
#include "kernels.h"

#include <string.h>

#define DIGIT 9
#define BUCKETS (1 << DIGIT)
#define FEW 24 /* records that are sorted by insertion */

static const uint64_t SIGN = (uint64_t)1 << 63;

/* Map a number to an integer of the same order; NaN without a sign comes last. */
static uint64_t key_of(double mz) {
    uint64_t bits;
    memcpy(&bits, &mz, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

static double mz_of(uint64_t key) {
    const uint64_t bits = key & SIGN ? key ^ SIGN : ~key;
    double mz;
    memcpy(&mz, &bits, sizeof mz);
    return mz;
}

static void sort_few(int64_t count, record *records) {
    for (int64_t i = 1; i < count; i++) {
        const record moved = records[i];
        int64_t at = i;
        for (; at > 0 && records[at - 1].key > moved.key; at--)
            records[at] = records[at - 1];
        records[at] = moved;
    }
}

/* Tell whether the records are in order; else find the range of their keys. */
static int in_order(int64_t count, const record *records, uint64_t *lowest, uint64_t *highest) {
    uint64_t low = records[0].key, high = low, before = low;
    int ordered = 1;
    for (int64_t i = 1; i < count; i++) {
        const uint64_t key = records[i].key;
        ordered &= before <= key;
        low = key < low ? key : low;
        high = key > high ? key : high;
        before = key;
    }
    *lowest = low;
    *highest = high;
    return ordered;
}

/* Return how far to shift keys of a range so that their first digit is left. */
static int shift_of(uint64_t range) {
    int shift = 0;
    while (range >> shift >= BUCKETS)
        shift++;
    return shift;
}

/* Turn the sizes of buckets, of which that of the first is the second, into their starts; copy these to `next`. */
static void add_up(int64_t *starts, int64_t *next) {
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        next[bucket] = starts[bucket];
        starts[bucket + 1] += starts[bucket];
    }
}

/* Sort records by their keys; each level of the recursion looks at the next digit of what is left of their range, and
 * moves them to the other place. They are to end where they are if they are at `home`, else in the other place. */
static void sort_records(int64_t count, record *records, record *other, int home) {
    uint64_t low, high;
    int sorted = count <= FEW;
    if (sorted)
        sort_few(count, records);
    else
        sorted = in_order(count, records, &low, &high);
    if (sorted) {
        if (!home)
            memcpy(other, records, (size_t)count * sizeof *records);
        return;
    }
    const int shift = shift_of(high - low);
    int64_t starts[BUCKETS + 1] = {0}, next[BUCKETS];
    for (int64_t i = 0; i < count; i++)
        starts[((records[i].key - low) >> shift) + 1]++;
    add_up(starts, next);
    for (int64_t i = 0; i < count; i++)
        other[next[(records[i].key - low) >> shift]++] = records[i];
    if (shift == 0 && home)
        memcpy(records, other, (size_t)count * sizeof *records);
    for (int bucket = 0; shift && bucket < BUCKETS; bucket++) {
        const int64_t start = starts[bucket];
        sort_records(starts[bucket + 1] - start, other + start, records + start, !home);
    }
}

/* Find the range of the keys of peaks, and tell whether they are in order. */
static int peaks_in_order(int64_t peaks, const double *mz, uint64_t *lowest, uint64_t *highest) {
    uint64_t low = key_of(mz[0]), high = low, before = low;
    int ordered = 1;
    for (int64_t i = 1; i < peaks; i++) {
        const uint64_t key = key_of(mz[i]);
        ordered &= before <= key;
        low = key < low ? key : low;
        high = key > high ? key : high;
        before = key;
    }
    *lowest = low;
    *highest = high;
    return ordered;
}

/* Order peaks by m/z, in place, ties as they come. `records` and `spare` hold as many records as there are peaks; of the
 * second no more is touched than the largest bucket of the first digit has. */
void sort_peaks(int64_t peaks, double *mz, float *intensity, uint32_t *pixel, record *records, record *spare) {
    uint64_t low, high;
    if (peaks == 0 || peaks_in_order(peaks, mz, &low, &high))
        return;
    const int shift = shift_of(high - low);
    int64_t starts[BUCKETS + 1] = {0}, next[BUCKETS];
    for (int64_t i = 0; i < peaks; i++)
        starts[((key_of(mz[i]) - low) >> shift) + 1]++;
    add_up(starts, next);
    for (int64_t i = 0; i < peaks; i++) {
        const uint64_t key = key_of(mz[i]);
        record *moved = records + next[(key - low) >> shift]++;
        moved->key = key;
        memcpy(&moved->intensity, &intensity[i], sizeof *intensity);
        moved->pixel = pixel[i];
    }
    for (int bucket = 0; shift && bucket < BUCKETS; bucket++) {
        const int64_t start = starts[bucket];
        sort_records(starts[bucket + 1] - start, records + start, spare, 1);
    }
    for (int64_t i = 0; i < peaks; i++) {
        mz[i] = mz_of(records[i].key);
        memcpy(&intensity[i], &records[i].intensity, sizeof *intensity);
        pixel[i] = records[i].pixel;
    }
}
